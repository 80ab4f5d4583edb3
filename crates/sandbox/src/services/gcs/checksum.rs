//! The checksum that the service sends with every object, and that its clients check.

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Castagnoli's polynomial, reflected.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// CRC-32C of `bytes`, big-endian, in base64.
pub(super) fn crc32c(bytes: &[u8]) -> String {
    let mut value = !0_u32;
    for byte in bytes {
        value ^= u32::from(*byte);
        for _ in 0..8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
        }
    }
    BASE64_STANDARD.encode((!value).to_be_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_value_of_the_standard() {
        // RFC 3720 B.4: 32 bytes of zeroes; "123456789" is the usual check.
        assert_eq!(super::crc32c(b"123456789"), "4waSgw==");
        assert_eq!(super::crc32c(&[0; 32]), "ipE2qg==");
    }
}
