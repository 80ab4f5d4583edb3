//! elliott's log on standard error: its end, and the trackers that elliott leaves out (spec 02 §7).

use std::collections::BTreeSet;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::clients::jira::IssueKey;

/// Bytes of the log's end that are kept.
const TAIL: usize = 16 * 1024;

/// Bytes of one line that are examined.
const LINE: usize = 16 * 1024;

/// The most messages about omitted trackers that are kept.
const COMPLAINTS: usize = 200;

/// The messages by which elliott says that it leaves trackers out: their beginning, and a part that never
/// changes.
const LEFT_OUT: [(&str, &str); 3] = [
    ("Bug(s) ", "look like CVE trackers, but really are not"),
    ("Tracker Bug(s) ", "have invalid summary"),
    ("No attached builds found in ", "tracker bugs"),
];

/// Trackers that elliott leaves out of its answer, and its reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OmittedTrackers {
    /// The trackers.
    pub keys: BTreeSet<IssueKey>,
    /// elliott's message.
    pub words: String,
}

/// The parts of a log that are kept.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) tail: Vec<u8>,
    pub(super) omitted: Vec<OmittedTrackers>,
    line: Vec<u8>,
}

impl Log {
    /// Reads to the end. A read error ends the log without an error: it is only a log.
    pub(super) async fn read(stream: Option<impl AsyncRead + Unpin>) -> Self {
        let mut log = Self::default();
        let Some(mut stream) = stream else { return log };
        let mut buffer = [0_u8; 8192];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            log.take(buffer.get(..count).unwrap_or_default());
        }
        log.end_line();
        log
    }

    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
        self.tail.extend_from_slice(bytes);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    fn end_line(&mut self) {
        let found = complaint(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        let Some(found) = found.filter(|_| self.omitted.len() < COMPLAINTS) else { return };
        // elliott logs a refusal several times: when it is raised, and in the errors that wrap it.
        if !self.omitted.iter().any(|known| known.keys == found.keys) {
            self.omitted.push(found);
        }
    }
}

/// The omitted trackers that a line reports, if it reports any.
fn complaint(line: &str) -> Option<OmittedTrackers> {
    let words = LEFT_OUT.iter().find_map(|(begin, same)| {
        let at = line.find(same)?;
        let start = line.get(..at)?.rfind(begin).or_else(|| line.find(begin))?;
        line.get(start..).map(str::trim)
    })?;
    let keys: BTreeSet<IssueKey> = words
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_')
        .filter_map(|word| word.parse().ok())
        .collect();
    (!keys.is_empty()).then(|| OmittedTrackers { keys, words: words.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(texts: &[&str]) -> BTreeSet<IssueKey> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_left_out_is_known_by_its_words() {
        for (line, expected) in [
            (
                "2026-07-01 10:00:00 art_tools.elliottlib WARNING Bug(s) ['OCPBUGS-1', 'OCPBUGS-22'] look like CVE \
                 trackers, but really are not. Ignoring them.",
                keys(&["OCPBUGS-1", "OCPBUGS-22"]),
            ),
            (
                "WARNING Tracker Bug(s) ['OCPBUGS-3'] have invalid summary. Ignoring them.",
                keys(&["OCPBUGS-3"]),
            ),
            (
                "ValueError: No attached builds found in shipment advisories for image tracker bugs (bug, package): \
                 [('OCPBUGS-4', 'openshift4/ose-demo')]. Either attach builds or explicitly include/exclude the bug \
                 ids in the assembly definition",
                keys(&["OCPBUGS-4"]),
            ),
        ] {
            let found = complaint(line).unwrap();
            assert_eq!(found.keys, expected);
            assert!(!found.words.contains("WARNING") && !found.words.contains("ValueError"), "{found:?}");
        }
        for line in [
            "INFO Tracker Bugs found: 3",
            "INFO Tracker bug, component: ('OCPBUGS-1', 'openshift4/ose-demo')",
            "ValueError: No attached builds found in shipment advisories for image tracker bugs (bug, package): [].",
            "Tracker Bug(s)",
            "",
        ] {
            assert_eq!(complaint(line), None, "{line}");
        }
    }

    #[test]
    fn a_long_log_keeps_its_end_and_every_complaint() {
        let mut log = Log::default();
        let first =
            "WARNING Bug(s) ['OCPBUGS-1'] look like CVE trackers, but really are not. Ignoring them.\n";
        // In pieces that end anywhere, as a pipe delivers them.
        for piece in first.as_bytes().chunks(7) {
            log.take(piece);
        }
        for _ in 0..4000 {
            log.take(b"INFO a line of the log\n");
        }
        log.take(first.as_bytes());
        log.take(&vec![b'x'; 100_000]);
        log.take(b"\nthe end");
        log.end_line();
        assert_eq!(log.omitted.len(), 1);
        assert!(log.tail.len() <= TAIL && log.tail.ends_with(b"the end"));
    }
}
