//! Checks of a Negotiate token that need no service key (RFC 4178, RFC 4121).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Object identifier 1.3.6.1.5.5.2, SPNEGO.
const SPNEGO: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
/// Object identifier 1.2.840.113554.1.2.2, Kerberos 5.
const KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
/// Token id of an AP-REQ, first bytes of a Kerberos token's body.
const AP_REQ: &[u8] = &[0x01, 0x00];

/// The answer of an acceptor that is satisfied: `NegTokenResp` with `negState accept-completed`.
pub(super) const ACCEPTED: &str = "oQcwBaADCgEA";

/// Whether the base64 text is an initial token that carries a Kerberos request.
///
/// SPNEGO without a mechanism token is refused too: it would need a second leg, which no client of ours makes.
pub(in crate::services) fn is_initial_token(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|bytes| read_initial_token(&bytes).is_some())
}

fn read_initial_token(bytes: &[u8]) -> Option<()> {
    let (body, rest) = element(bytes, 0x60)?;
    let (mechanism, inner) = element(body, 0x06)?;
    if !rest.is_empty() {
        return None;
    }
    if mechanism == KERBEROS {
        return inner.starts_with(AP_REQ).then_some(());
    }
    if mechanism != SPNEGO {
        return None;
    }
    let (init, rest) = element(inner, 0xa0)?;
    let (mut fields, after) = element(init, 0x30)?;
    if !rest.is_empty() || !after.is_empty() {
        return None;
    }
    let mut carries_token = false;
    while let Some(&tag) = fields.first() {
        let (value, next) = element(fields, tag)?;
        if tag == 0xa2 {
            let (token, _) = element(value, 0x04)?;
            carries_token = !token.is_empty();
        }
        fields = next;
    }
    carries_token.then_some(())
}

/// Splits one DER element with this tag into its content and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, bytes) = bytes.split_first()?;
    let (&first, mut bytes) = bytes.split_first()?;
    if found != tag {
        return None;
    }
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) || bytes.len() < count {
            return None;
        }
        let (digits, rest) = bytes.split_at(count);
        length = digits.iter().fold(0, |sum, &digit| (sum << 8) | usize::from(digit));
        bytes = rest;
    }
    bytes.split_at_checked(length)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        if content.len() < 128 {
            out.push(u8::try_from(content.len()).unwrap());
        } else {
            out.push(0x82);
            out.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        }
        out.extend(content);
        out
    }

    /// A well-formed SPNEGO token whose Kerberos part is `payload`.
    pub(in crate::services::errata) fn token(payload: &[u8]) -> String {
        let kerberos = der(0x60, &[der(0x06, KERBEROS), AP_REQ.to_vec(), payload.to_vec()].concat());
        let mechanisms = der(0xa0, &der(0x30, &der(0x06, KERBEROS)));
        let inner = der(0xa0, &der(0x30, &[mechanisms, der(0xa2, &der(0x04, &kerberos))].concat()));
        STANDARD.encode(der(0x60, &[der(0x06, SPNEGO), inner].concat()))
    }

    #[test]
    fn a_spnego_token_with_a_kerberos_request_is_well_formed() {
        assert!(is_initial_token(&token(b"x")));
        assert!(is_initial_token(&token(&[7; 900])));
    }

    #[test]
    fn a_bare_kerberos_request_is_well_formed() {
        let raw = der(0x60, &[der(0x06, KERBEROS), AP_REQ.to_vec(), vec![1, 2]].concat());
        assert!(is_initial_token(&STANDARD.encode(raw)));
        let ap_rep = der(0x60, &[der(0x06, KERBEROS), vec![2, 0], vec![1, 2]].concat());
        assert!(!is_initial_token(&STANDARD.encode(ap_rep)), "an AP-REP opens no conversation");
    }

    #[test]
    fn other_tokens_are_not() {
        let spnego = STANDARD.decode(token(b"payload")).unwrap();
        for cut in 0..spnego.len() {
            assert!(!is_initial_token(&STANDARD.encode(&spnego[..cut])), "cut at {cut}");
        }
        let mut longer = spnego.clone();
        longer.push(0);
        assert!(!is_initial_token(&STANDARD.encode(longer)));
        let ntlm = STANDARD.encode(b"NTLMSSP\0\x01\0\0\0");
        assert!(!is_initial_token(&ntlm));
        assert!(!is_initial_token("not base64!"));
        let without_token = der(0x60, &[der(0x06, SPNEGO), der(0xa0, &der(0x30, &[]))].concat());
        assert!(!is_initial_token(&STANDARD.encode(without_token)));
        assert!(!is_initial_token(&STANDARD.encode([0x60, 0x85, 1, 1, 1, 1, 1])), "length of five digits");
    }
}
