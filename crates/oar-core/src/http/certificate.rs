//! When the certificates of servers end: seen on connections that requests have made anyway.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// The most hosts whose certificates are remembered.
const MOST_HOSTS: usize = 256;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The certificates that the servers of a stack have shown. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Arc<Mutex<BTreeMap<String, Seen>>>);

/// A certificate that a server showed.
#[derive(Debug, Clone, Copy)]
struct Seen {
    end: Timestamp,
    at: Timestamp,
}

impl Certificates {
    /// Each host that has shown a certificate since `since`, with the end of the last one, in the order of the hosts.
    pub fn ends(&self, since: Timestamp) -> Vec<(String, Timestamp)> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = seen.iter().filter(|(_, seen)| seen.at >= since);
        recent.map(|(host, seen)| (host.clone(), seen.end)).collect()
    }

    /// Remembers the certificate of `host`, in DER. One that cannot be read is not remembered.
    pub(super) fn saw(&self, host: &str, certificate: &[u8], at: Timestamp) {
        let Some(end) = not_after(certificate) else { return };
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() < MOST_HOSTS || ends.contains_key(host) {
            ends.insert(host.to_owned(), Seen { end, at });
        }
    }
}

/// The end of a certificate (RFC 5280 §4.1); the TLS library has checked everything else.
fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let certificate = Der(certificate).expect(SEQUENCE)?;
    let mut body = Der(Der(certificate).expect(SEQUENCE)?);
    if body.0.first() == Some(&VERSION) {
        body.next()?;
    }
    body.expect(INTEGER)?;
    let _algorithm = body.expect(SEQUENCE)?;
    let _issuer = body.expect(SEQUENCE)?;
    let mut validity = Der(body.expect(SEQUENCE)?);
    let _not_before = validity.next()?;
    let (tag, text) = validity.next()?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// A time in one of the two forms that certificates have (RFC 5280 §4.1.2.5).
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let full = match (tag, digits.len()) {
        // From 1950 to 2049.
        (UTC_TIME, 12) if digits < "50" => format!("20{digits}"),
        (UTC_TIME, 12) => format!("19{digits}"),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    let (day, clock) = full.split_at_checked(8)?;
    format!("{day}T{clock}Z").parse().ok()
}

/// Elements in DER, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            short @ ..=0x7F => (usize::from(short), rest),
            // In so many bytes, at most four.
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
                (bytes.iter().fold(0, |sum: usize, byte| (sum << 8) | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, if it has this tag.
    fn expect(&mut self, expected: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == expected).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use jiff::SignedDuration;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// An element of at most 127 bytes.
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn certificate(version: bool, end: &[u8]) -> Vec<u8> {
        let begin = element(UTC_TIME, b"260101000000Z");
        let mut body = if version { element(VERSION, &element(INTEGER, &[2])) } else { Vec::new() };
        for part in [
            element(INTEGER, &[7]),
            element(SEQUENCE, b""),
            element(SEQUENCE, b"issuer"),
            element(SEQUENCE, &[begin, end.to_vec()].concat()),
            element(SEQUENCE, b"subject"),
        ] {
            body.extend(part);
        }
        element(SEQUENCE, &element(SEQUENCE, &body))
    }

    #[test]
    fn the_end_is_read_in_both_forms_with_and_without_a_version() {
        for (tag, text, expected) in [
            (UTC_TIME, "260715120000Z", Some("2026-07-15T12:00:00Z")),
            (UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59Z")),
            (UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z")),
            (GENERALIZED_TIME, "20530101000000Z", Some("2053-01-01T00:00:00Z")),
            (GENERALIZED_TIME, "2053010100Z", None),
            (UTC_TIME, "261315120000Z", None),
            (UTC_TIME, "260715120000", None),
            (INTEGER, "260715120000Z", None),
        ] {
            for version in [true, false] {
                let end = not_after(&certificate(version, &element(tag, text.as_bytes())));
                assert_eq!(end.map(|end| end.to_string()).as_deref(), expected, "{text}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_too_much_is_not_remembered() {
        let whole = certificate(true, &element(UTC_TIME, b"260715120000Z"));
        let certificates = Certificates::default();
        for length in 0..whole.len() {
            certificates.saw("cut.example.com", &whole[..length], NOW);
        }
        assert_eq!(certificates.ends(NOW), Vec::new());
        for number in 0..MOST_HOSTS + 3 {
            certificates.saw(&format!("{number}.example.com"), &whole, NOW);
        }
        assert_eq!(certificates.ends(NOW).len(), MOST_HOSTS);
        let renewed = certificate(true, &element(UTC_TIME, b"270715120000Z"));
        certificates.saw("0.example.com", &renewed, NOW + SignedDuration::from_secs(60));
        let ends = certificates.ends(NOW);
        let (_, end) = ends.iter().find(|(host, _)| host == "0.example.com").unwrap();
        assert_eq!(end.to_string(), "2027-07-15T12:00:00Z");
        let newer = certificates.ends(NOW + SignedDuration::from_secs(1));
        assert_eq!(newer, [("0.example.com".to_owned(), *end)], "the others were seen before that");
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_end_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = not_after(&bytes);
            let _ = not_after(&element(SEQUENCE, &element(SEQUENCE, &bytes)));
        }
    }
}
