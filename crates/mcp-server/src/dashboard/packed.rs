//! A text as it is sent: packed once for all who read it, also where a page names its reader.

use std::io::{self, Write as _};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use sha2::{Digest as _, Sha256};

/// What is smaller is not packed.
const WORTH_PACKING: usize = 860;
/// How well texts are packed.
const LEVEL: u32 = 5;
/// Where the reader is named; no escaped text contains it.
pub(super) const PLACE: &str = "<!--reader-->";
/// The head of a gzip member: deflated, no name, no time, of any system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The most bytes of a block that is stored as it is.
const STORED: usize = u16::MAX as usize;

/// A text as it is sent. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Packed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: &'static str,
    tag: String,
    /// What stands before the name of the reader, where there is a place for it.
    before: Option<Part>,
    rest: Part,
}

/// A part of the text, as it is and deflated.
#[derive(Debug)]
struct Part {
    plain: Bytes,
    /// Whole bytes, which need nothing of the part before.
    deflated: Vec<u8>,
    sum: Crc,
}

impl Part {
    /// `is_last` ends the deflated text.
    fn new(plain: Bytes, is_last: bool) -> io::Result<Self> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(LEVEL));
        encoder.write_all(&plain)?;
        let mut deflated = if is_last {
            encoder.finish()?
        } else {
            encoder.flush()?;
            std::mem::take(encoder.get_mut())
        };
        deflated.shrink_to_fit();
        Ok(Self { sum: sum_of(&plain), plain, deflated })
    }

    /// One that is not packed.
    fn plain(plain: Bytes) -> Self {
        Self { plain, deflated: Vec::new(), sum: Crc::new() }
    }

    fn size(&self) -> usize {
        self.plain.len() + self.deflated.len()
    }
}

fn sum_of(bytes: &[u8]) -> Crc {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum
}

fn tag_of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut tag = format!("{:x}", hash.finalize());
    tag.truncate(20);
    tag
}

impl Packed {
    /// The same text for everybody.
    pub(super) fn new(kind: &'static str, text: String) -> Self {
        Self::of_parts(kind, None, Bytes::from(text))
    }

    /// A text that names its reader at [`PLACE`].
    pub(super) fn with_place(kind: &'static str, text: String) -> Self {
        match text.split_once(PLACE) {
            Some((before, rest)) => {
                let part = |text: &str| Bytes::copy_from_slice(text.as_bytes());
                Self::of_parts(kind, Some(part(before)), part(rest))
            }
            None => Self::new(kind, text),
        }
    }

    fn of_parts(kind: &'static str, before: Option<Bytes>, rest: Bytes) -> Self {
        let length = before.as_ref().map_or(0, Bytes::len) + rest.len();
        let tag = tag_of(&[before.as_deref().unwrap_or_default(), &rest]);
        let packed = || {
            let before = before.clone().map(|text| Part::new(text, false)).transpose()?;
            io::Result::Ok((before, Part::new(rest.clone(), true)?))
        };
        let packed = (length > WORTH_PACKING).then(packed).and_then(Result::ok);
        let (before, rest) = packed.unwrap_or_else(|| (before.map(Part::plain), Part::plain(rest)));
        Self(Arc::new(Inner { kind, tag, before, rest }))
    }

    /// How much memory it takes.
    pub(super) fn size(&self) -> usize {
        self.0.rest.size() + self.0.before.as_ref().map_or(0, Part::size)
    }

    /// Whether it is the same copy.
    #[cfg(test)]
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What the text is known by.
    pub(super) fn tag(&self) -> &str {
        &self.0.tag
    }

    /// The text with `reader` at its place.
    fn text(&self, reader: &str) -> Bytes {
        let Inner { before, rest, .. } = &*self.0;
        match before {
            Some(before) => [&before.plain[..], reader.as_bytes(), &rest.plain[..]].concat().into(),
            None => rest.plain.clone(),
        }
    }

    /// The same as one gzip member; `None` where that is not worth it.
    fn gzip(&self, reader: &str) -> Option<Bytes> {
        let Inner { before, rest, .. } = &*self.0;
        if rest.deflated.is_empty() {
            return None;
        }
        let first = before.as_ref().map_or(0, |before| before.deflated.len());
        let mut member = Vec::with_capacity(first + reader.len() + rest.deflated.len() + 64);
        member.extend(HEAD);
        let mut sum = Crc::new();
        if let Some(before) = before {
            member.extend(&before.deflated);
            sum.combine(&before.sum);
            for block in reader.as_bytes().chunks(STORED) {
                let length = u16::try_from(block.len()).ok()?;
                member.push(0);
                member.extend(length.to_le_bytes());
                member.extend((!length).to_le_bytes());
                member.extend(block);
            }
            sum.combine(&sum_of(reader.as_bytes()));
        }
        member.extend(&rest.deflated);
        sum.combine(&rest.sum);
        member.extend(sum.sum().to_le_bytes());
        member.extend(sum.amount().to_le_bytes());
        Some(member.into())
    }

    /// The answer to a request with these headers, which may have it already.
    pub(super) fn response(&self, headers: &HeaderMap, cache: &'static str) -> Response {
        self.response_to("", headers, cache)
    }

    /// The same with `reader` at its place.
    pub(super) fn response_to(&self, reader: &str, headers: &HeaderMap, cache: &'static str) -> Response {
        let tag = match &self.0.before {
            Some(_) if !reader.is_empty() => tag_of(&[self.tag().as_bytes(), reader.as_bytes()]),
            _ => self.tag().to_owned(),
        };
        let etag =
            HeaderValue::from_str(&format!("\"{tag}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        let has = headers.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
        let has = has
            .flat_map(|tags| tags.split(','))
            .any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == etag.as_bytes());
        let accepts = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|codings| codings.to_str().ok());
        let accepts = accepts.flat_map(|codings| codings.split(',')).any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("gzip") && !parts.any(|part| part == "q=0" || part == "q=0.0")
        });
        let packed = if accepts && !has { self.gzip(reader) } else { None };
        let is_packed = packed.is_some();
        let body = match packed {
            _ if has => Body::empty(),
            Some(packed) => Body::from(packed),
            None => Body::from(self.text(reader)),
        };
        let mut response = Response::new(body);
        let sent = response.headers_mut();
        sent.insert(ETAG, etag);
        sent.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        sent.insert(VARY, HeaderValue::from_static("Accept-Encoding, Cookie, Authorization"));
        if has {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        sent.insert(CONTENT_TYPE, HeaderValue::from_static(self.0.kind));
        if is_packed {
            sent.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    const KIND: &str = "text/html";

    fn unpacked(packed: &[u8]) -> String {
        let (mut text, mut decoder) = (String::new(), GzDecoder::new(packed));
        decoder.read_to_string(&mut text).unwrap();
        assert!(decoder.into_inner().is_empty(), "something stands behind the member");
        text
    }

    fn etag(packed: &Packed, reader: &str) -> HeaderValue {
        packed.response_to(reader, &HeaderMap::new(), "no-store").headers()[ETAG].clone()
    }

    #[test]
    fn a_page_with_its_reader_unpacks_to_what_it_is_without_packing() {
        let (head, rest) = ("head ".repeat(300), "the main part ".repeat(10_000));
        let packed = Packed::with_place(KIND, format!("{head}{PLACE}{rest}"));
        for reader in ["", "Ann", &"ü€".repeat(STORED)] {
            let whole = format!("{head}{reader}{rest}");
            assert_eq!(packed.text(reader), whole.as_bytes());
            assert_eq!(unpacked(&packed.gzip(reader).unwrap()), whole);
        }
        assert!(packed.gzip("Ann").unwrap().len() < 2000);
        let same = Packed::new(KIND, rest.clone());
        assert_eq!(unpacked(&same.gzip("Ann").unwrap()), rest);
        assert_eq!(same.text("Ann"), rest.as_bytes(), "there is no place");
    }

    #[test]
    fn a_short_text_is_sent_as_it_is() {
        let packed = Packed::with_place(KIND, format!("a{PLACE}b"));
        assert_eq!((packed.gzip("-"), packed.text("-").as_ref()), (None, &b"a-b"[..]));
    }

    #[test]
    fn each_reader_has_a_tag_of_their_own() {
        let packed = Packed::with_place(KIND, format!("a{PLACE}b"));
        let (ann, bob) = (etag(&packed, "Ann"), etag(&packed, "Bob"));
        assert!(ann != bob && ann != etag(&packed, "") && ann == etag(&packed, "Ann"));
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, ann);
        let status = |reader: &str| packed.response_to(reader, &headers, "no-store").status();
        assert_eq!((status("Ann"), status("Bob")), (StatusCode::NOT_MODIFIED, StatusCode::OK));
    }
}
