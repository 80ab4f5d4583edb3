//! Reads files from the layers of a release payload.

use std::io::{self, BufRead, BufReader, Read};

use flate2::read::MultiGzDecoder;

/// The file with the release's version and metadata URL, as `oc adm release info` reads it.
pub(super) const RELEASE_METADATA: &str = "release-manifests/release-metadata";

/// The file with the images of the release.
pub(super) const IMAGE_REFERENCES: &str = "release-manifests/image-references";

/// The largest file that is read from a layer, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;
/// The most bytes that one layer may unpack to.
const UNPACKED_LIMIT: u64 = 1024 * 1024 * 1024;

/// The files `names` of a layer: `None` for one that the layer has not.
///
/// The layer is unpacked as a stream and never held in memory as a whole. A layer that is damaged, has an
/// unknown compression, or is larger than the limit is an error, because it may contain the file.
pub(crate) fn files_of_layer<const N: usize>(
    layer: &[u8],
    names: &[&str; N],
) -> Result<[Option<Vec<u8>>; N], String> {
    let mut layer = BufReader::new(layer);
    let start = layer.fill_buf().map_err(|error| error.to_string())?;
    let content: Box<dyn Read + '_> = match start {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(layer)),
        // A zstd frame, or a skippable one: a layer may begin with either.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(zstd::Decoder::with_buffer(layer).map_err(|error| error.to_string())?)
        }
        _ => Box::new(layer),
    };
    read(content, names).map_err(|error| format!("it is not a readable tar archive: {error}"))
}

fn read<const N: usize>(content: impl Read, names: &[&str; N]) -> io::Result<[Option<Vec<u8>>; N]> {
    let mut files = std::array::from_fn(|_| None);
    let mut archive = tar::Archive::new(content.take(UNPACKED_LIMIT));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path_bytes().into_owned();
        let path = String::from_utf8_lossy(&path);
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let wanted = names.iter().zip(&mut files).find(|(name, file)| **name == path && file.is_none());
        let Some((name, file)) = wanted.filter(|_| entry.header().entry_type().is_file()) else { continue };
        if entry.size() > FILE_LIMIT {
            return Err(io::Error::other(format!("{name} has {} bytes", entry.size())));
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text)?;
        *file = Some(text);
        if files.iter().all(Option::is_some) {
            break;
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Two frames with a skippable one between them, as in layers that can be read in chunks.
    fn in_frames(content: &[u8]) -> Vec<u8> {
        let (first, second) = content.split_at(content.len() / 2);
        let mut packed = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc".to_vec();
        packed.extend(zstd::encode_all(first, 3).unwrap());
        packed.extend(b"\x5f\x2a\x4d\x18\x00\x00\x00\x00");
        packed.extend(zstd::encode_all(second, 3).unwrap());
        packed
    }

    #[test]
    fn the_file_is_found_whatever_surrounds_it() {
        let plain = layer(&[("etc/hosts", b"x"), (RELEASE_METADATA, b"{}"), ("usr/bin/y", &[7; 4000])]);
        let zstd = zstd::encode_all(&plain[..], 3).unwrap();
        for layer in [plain.clone(), packed(&plain), zstd, in_frames(&plain)] {
            assert_eq!(files_of_layer(&layer, &[RELEASE_METADATA]), Ok([Some(b"{}".to_vec())]));
            assert_eq!(files_of_layer(&layer, &[IMAGE_REFERENCES]), Ok([None]));
        }
        assert_eq!(files_of_layer(&packed(&layer(&[])), &[RELEASE_METADATA]), Ok([None]));
    }

    #[test]
    fn a_damaged_layer_is_an_error_and_never_an_absent_file() {
        let whole = packed(&layer(&[("etc/hosts", &[b'x'; 5000]), (RELEASE_METADATA, b"{}")]));
        let zstd = zstd::encode_all(&layer(&[("etc/hosts", &[b'x'; 5000])])[..], 3).unwrap();
        for broken in [
            &whole[..whole.len() / 2],
            &zstd[..zstd.len() - 9],
            &b"\x28\xb5\x2f\xfdrest"[..],
            &[b'z'; 2000][..],
        ] {
            assert!(files_of_layer(broken, &[RELEASE_METADATA]).is_err());
        }
        let large = vec![b' '; usize::try_from(FILE_LIMIT).unwrap() + 1];
        let error =
            files_of_layer(&packed(&layer(&[(RELEASE_METADATA, &large)])), &[RELEASE_METADATA]).unwrap_err();
        assert!(error.contains("1048577 bytes"), "{error}");
    }
}
