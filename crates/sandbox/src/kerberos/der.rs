//! The few DER forms of which a Kerberos ticket is made (RFC 4120 §5).

/// A tag, the length and the content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len();
    if let (Ok(short), true) = (u8::try_from(length), length < 0x80) {
        bytes.push(short);
    } else {
        let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        // At most eight digits, so the count fits.
        bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
        bytes.extend(digits);
    }
    bytes.extend_from_slice(content);
    bytes
}

/// `SEQUENCE` of parts that are encoded already.
pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// `[number]` around an encoded value.
pub(super) fn tagged(number: u8, content: &[u8]) -> Vec<u8> {
    element(0xa0 | number, content)
}

/// `[APPLICATION number]` around an encoded value.
pub(super) fn application(number: u8, content: &[u8]) -> Vec<u8> {
    element(0x60 | number, content)
}

/// A small `INTEGER`.
pub(super) fn integer(value: u8) -> Vec<u8> {
    // A first bit of 1 would mean a negative number.
    if value < 0x80 { element(0x02, &[value]) } else { element(0x02, &[0, value]) }
}

/// `GeneralString`.
pub(super) fn string(text: &str) -> Vec<u8> {
    element(0x1b, text.as_bytes())
}

/// `OCTET STRING`.
pub(super) fn octets(bytes: &[u8]) -> Vec<u8> {
    element(0x04, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(octets(&[1, 2]), [0x04, 2, 1, 2]);
        assert_eq!(octets(&[0; 0x80])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(octets(&[0; 0x1234])[..4], [0x04, 0x82, 0x12, 0x34]);
        assert_eq!(integer(18), [0x02, 1, 18]);
        assert_eq!(integer(200), [0x02, 2, 0, 200]);
        assert_eq!(tagged(3, &string("A")), [0xa3, 3, 0x1b, 1, b'A']);
        assert_eq!(application(1, &[]), [0x61, 0]);
    }
}
