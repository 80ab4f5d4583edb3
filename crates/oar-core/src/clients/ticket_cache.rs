//! Looks at a Kerberos ticket cache before the system's library does.
//!
//! MIT Kerberos 1.20 frees a principal that it never read when a cache that exists has no readable one
//! (`krb5_cccol_have_content`), which ends the whole process. So a file must begin as `ccmarshal.c` and
//! `cc_file.c` of MIT Kerberos write it: 0x05 and the format's version 1 to 4, in version 4 a header, then the
//! principal.

use std::path::{Path, PathBuf};

use crate::files::{self, FileError};

/// The largest cache file that is accepted, in bytes; a real one has a few tickets of some kilobytes each.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The largest file with the name of a primary cache, in bytes.
const LARGEST_NAME: u64 = 4096;
/// The most files of a collection that are looked at.
const MOST_FILES: usize = 1000;
/// The largest configuration file that is read, in bytes.
const LARGEST_SETTINGS: u64 = 1024 * 1024;
/// The most components of a principal that is accepted; a real one has one or two.
const MOST_COMPONENTS: u32 = 64;

/// A cache that the library must not see: the file, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) path: PathBuf,
    pub(super) why: String,
}

/// Checks the files of the cache that `setting`, the value of `KRB5CCNAME`, names: a file, or the primary cache of a
/// `DIR:` collection. An absent one passes, because the library says that itself. Caches without files
/// (`KEYRING:`, `KCM:`, `MEMORY:`, `API:`) are not checked.
///
/// Without a setting it checks `/tmp/krb5cc_UID`, the library's own default, unless the Kerberos configuration may
/// name another one: that is not checked. `configuration` is the value of `KRB5_CONFIG`.
pub(super) fn check(setting: Option<&str>, configuration: Option<&str>) -> Result<(), Unusable> {
    match setting.filter(|setting| !setting.is_empty()) {
        Some(setting) => check_named(setting),
        None if has_built_in_default(configuration.unwrap_or("/etc/krb5.conf")) => {
            check_file(Path::new(&format!("/tmp/krb5cc_{}", rustix::process::getuid().as_raw())))
        }
        None => Ok(()),
    }
}

fn check_named(setting: &str) -> Result<(), Unusable> {
    match setting.split_once(':') {
        None | Some(("FILE", _)) => check_file(Path::new(setting.strip_prefix("FILE:").unwrap_or(setting))),
        // `DIR::path` is one file of a collection.
        Some(("DIR", rest)) => match rest.strip_prefix(':') {
            Some(file) => check_file(Path::new(file)),
            None => check_folder(Path::new(rest)),
        },
        Some(_) => Ok(()),
    }
}

/// Whether nothing in the configuration replaces the library's own default cache: none of its files sets it or
/// includes others. `list` names them, separated by colons; the library reads all that are there.
fn has_built_in_default(list: &str) -> bool {
    list.split(':').all(|file| match files::read(Path::new(file), LARGEST_SETTINGS) {
        Ok(text) => !String::from_utf8_lossy(&text).lines().any(may_set_default),
        // The library cannot read it either, and goes without.
        Err(FileError::Io(_)) => true,
        Err(_) => false,
    })
}

fn may_set_default(line: &str) -> bool {
    let line = line.trim_start();
    ["default_ccache_name", "include", "module"].iter().any(|word| line.starts_with(word))
}

/// Checks the primary cache of a collection. The library looks at that first, and at the others only when it is not
/// there (`dcc_ptcursor_next`): then any of them may be the first.
fn check_folder(folder: &Path) -> Result<(), Unusable> {
    if let Some(primary) = primary(folder).filter(|primary| primary.exists()) {
        return check_file(&primary);
    }
    // The library makes the folder, or says why it cannot.
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let is_cache = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"tkt");
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| is_cache(&entry.file_name()))
        .map(|entry| entry.path())
        .take(MOST_FILES)
        .collect();
    files.sort();
    files.iter().try_for_each(|file| check_file(file))
}

/// The primary cache of a collection, whose name is the first line of the file `primary`.
fn primary(folder: &Path) -> Option<PathBuf> {
    let text = files::read_text(&folder.join("primary"), LARGEST_NAME).ok()?;
    let (name, _) = text.split_once('\n')?;
    (name.starts_with("tkt") && !name.contains(['/', '\\'])).then(|| folder.join(name))
}

fn check_file(path: &Path) -> Result<(), Unusable> {
    let unusable = |why: String| Unusable { path: path.to_owned(), why };
    match files::read(path, LARGEST) {
        Ok(bytes) => check_bytes(&bytes).map_err(|why| unusable(why.to_owned())),
        Err(error) if error.is_absent() => Ok(()),
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// Whether a file with these `bytes` begins with a header and a principal.
fn check_bytes(bytes: &[u8]) -> Result<(), &'static str> {
    const CUT_OFF: &str = "it is cut off: it holds no principal";
    let (version, rest) = match bytes {
        [] => return Err("it is empty"),
        [5, version @ 1..=4, rest @ ..] => (*version, rest),
        _ => return Err("it does not begin as a ticket cache does"),
    };
    // The first two versions have the byte order of the machine.
    let mut reader = Reader { rest, is_native: version <= 2 };
    if version == 4 {
        let length = reader.bytes(2).and_then(|bytes| Some(u16::from_be_bytes(bytes.try_into().ok()?)));
        length.and_then(|length| reader.bytes(length.into())).ok_or(CUT_OFF)?;
    }
    if version > 1 {
        reader.number().ok_or(CUT_OFF)?;
    }
    // Version 1 counts the realm as a component.
    let count = reader.number().ok_or(CUT_OFF)?;
    let components = if version == 1 { count.checked_sub(1) } else { Some(count) };
    let components = components.filter(|count| (1..=MOST_COMPONENTS).contains(count));
    let components = components.ok_or("it names no principal")?;
    // The realm, then the components.
    for _ in 0..=components {
        let length = reader.number().and_then(|length| usize::try_from(length).ok());
        length.and_then(|length| reader.bytes(length)).ok_or(CUT_OFF)?;
    }
    Ok(())
}

struct Reader<'a> {
    rest: &'a [u8],
    is_native: bool,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (found, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(found)
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = self.bytes(4)?.try_into().ok()?;
        Some(if self.is_native { u32::from_ne_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

impl Unusable {
    /// What failed, in one line.
    pub(super) fn words(&self) -> String {
        format!("{} is no usable Kerberos ticket cache: {}", self.path.display(), self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::make_fifo;

    /// The beginning of a cache of `lead@EXAMPLE.TEST` in a version.
    fn cache(version: u8) -> Vec<u8> {
        let number = |value: u32| {
            if version <= 2 { value.to_ne_bytes() } else { value.to_be_bytes() }
        };
        let mut bytes = vec![5, version];
        if version == 4 {
            bytes.extend([0, 12, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        if version > 1 {
            bytes.extend(number(1));
        }
        bytes.extend(number(if version == 1 { 2 } else { 1 }));
        for text in ["EXAMPLE.TEST", "lead"] {
            bytes.extend(number(u32::try_from(text.len()).unwrap()));
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    #[test]
    fn every_version_is_accepted_and_every_cut_one_refused() {
        for version in 1..=4 {
            let whole = cache(version);
            check_bytes(&whole).unwrap();
            check_bytes(&[whole.as_slice(), b"credentials"].concat()).unwrap();
            for length in 0..whole.len() {
                assert!(check_bytes(&whole[..length]).is_err(), "version {version}, {length} bytes");
            }
        }
        for bytes in [&b"\x05\x05\x00\x00"[..], b"\x04\x04\x00\x00", b"random", &[0; 100], &[0xff; 100]] {
            assert!(check_bytes(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_and_counts_that_are_made_up_are_refused() {
        let mut many = vec![5, 3];
        many.extend([0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
        many.extend([0; 1000]);
        assert_eq!(check_bytes(&many), Err("it names no principal"));
        let mut long = vec![5, 3];
        long.extend([0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
        assert!(check_bytes(&long).is_err());
    }

    #[test]
    fn a_cache_is_found_by_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("good"), cache(4)).unwrap();
        std::fs::write(at("empty"), "").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        std::fs::create_dir(at("tickets")).unwrap();
        std::fs::write(at("tickets/primary"), "tkt\n").unwrap();
        std::fs::write(at("tickets/tkt"), cache(4)).unwrap();
        std::fs::write(at("tickets/tktOther"), "a leftover").unwrap();
        std::fs::create_dir(at("unnamed")).unwrap();
        std::fs::write(at("unnamed/tktOne"), cache(4)).unwrap();
        std::fs::create_dir(at("gone")).unwrap();
        std::fs::write(at("gone/primary"), "tktGone\n").unwrap();
        std::fs::write(at("gone/tktOne"), cache(4)).unwrap();
        for good in [
            at("good"),
            format!("FILE:{}", at("good")),
            at("absent"),
            format!("DIR:{}", at("tickets")),
            format!("DIR:{}", at("absent")),
            format!("DIR:{}", at("unnamed")),
            format!("DIR:{}", at("gone")),
            format!("DIR::{}", at("tickets/tkt")),
            "KEYRING:persistent:0".to_owned(),
            "KCM:".to_owned(),
            "MEMORY:x".to_owned(),
        ] {
            assert_eq!(check(Some(&good), None), Ok(()), "{good}");
        }
        for folder in ["unnamed", "gone"] {
            std::fs::write(at(&format!("{folder}/tktOther")), "x").unwrap();
        }
        std::fs::create_dir(at("broken")).unwrap();
        std::fs::write(at("broken/primary"), "tktOne\n").unwrap();
        std::fs::write(at("broken/tktOne"), "x").unwrap();
        std::fs::write(at("broken/tktOther"), cache(4)).unwrap();
        make_fifo(Path::new(&at("fifo")));
        for bad in [
            at("empty"),
            format!("FILE:{}", at("empty")),
            at("folder"),
            "/dev/null".to_owned(),
            "FILE:/dev/zero".to_owned(),
            at("fifo"),
            format!("DIR:{}", at("unnamed")),
            format!("DIR:{}", at("gone")),
            format!("DIR:{}", at("broken")),
            format!("DIR::{}", at("tickets/tktOther")),
        ] {
            let error = check(Some(&bad), None).unwrap_err();
            let path = error.path.display().to_string();
            assert!(error.words().contains(&path), "{bad}: {}", error.words());
        }
    }

    #[test]
    fn a_default_that_the_configuration_may_replace_is_not_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("krb5.conf");
        let absent = folder.path().join("absent").display().to_string();
        assert!(has_built_in_default(&absent) && has_built_in_default(""));
        for (text, expected) in [
            ("[libdefaults]\n default_realm = EXAMPLE.TEST\n", true),
            ("[libdefaults]\n  default_ccache_name = KEYRING:persistent:%{uid}\n", false),
            ("includedir /etc/krb5.conf.d/\n", false),
        ] {
            std::fs::write(&path, text).unwrap();
            let path = path.display();
            for list in [format!("{path}"), format!("{absent}:{path}"), format!("{path}:{absent}")] {
                assert_eq!(has_built_in_default(&list), expected, "{list}: {text}");
            }
        }
        // Nobody knows what it says.
        assert!(!has_built_in_default(&folder.path().display().to_string()));
    }
}
