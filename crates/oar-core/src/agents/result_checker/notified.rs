//! The file with what was told: a line `release,file name,seconds since the epoch` each (interop-exact, spec 05 §5, 5).

use std::fmt::Write as _;

use jiff::Timestamp;

/// What stands behind the name of a file when its later acceptance was told. The Python tooling keeps such a line, and takes
/// it for a file that it never meets.
const ACCEPTED: &str = "#accepted";

/// The entry that says that the acceptance of `file` was told.
pub fn accepted_mark(file: &str) -> String {
    format!("{file}{ACCEPTED}")
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    release: String,
    entry: String,
    /// As it stands there, so that a line of the Python tooling stays as it is.
    at: String,
}

/// What was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notified(Vec<Line>);

impl Notified {
    /// Reads the file. Lines that are none, which would end the Python tooling, are left out; their numbers come beside.
    pub fn read(text: &str) -> (Self, Vec<usize>) {
        let (mut lines, mut bad) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            match line.trim().split(',').collect::<Vec<_>>().as_slice() {
                [release, entry, at]
                    if !entry.is_empty() && at.parse::<f64>().is_ok_and(|at| at.is_finite() && at >= 0.0) =>
                {
                    let [release, entry, at] = [release, entry, at].map(|part| (*part).to_owned());
                    lines.push(Line { release, entry, at });
                }
                _ => bad.push(number),
            }
        }
        (Self(lines), bad)
    }

    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The files that something was told of.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|line| line.entry.strip_suffix(ACCEPTED).unwrap_or(&line.entry))
    }

    /// When `entry` was told; `None` when it was not.
    pub fn told_at(&self, entry: &str) -> Option<Timestamp> {
        let line = self.0.iter().find(|line| line.entry == entry)?;
        let seconds = line.at.split('.').next()?.parse().ok()?;
        Timestamp::from_second(seconds).ok()
    }

    /// Whether `entry` was told.
    pub fn has(&self, entry: &str) -> bool {
        self.0.iter().any(|line| line.entry == entry)
    }

    /// Notes that `entry` of `release` was told.
    pub fn add(&mut self, release: &str, entry: &str, at: Timestamp) {
        if !self.has(entry) {
            let at = format!("{}.{:06}", at.as_second(), at.subsec_nanosecond() / 1_000);
            self.0.push(Line { release: release.to_owned(), entry: entry.to_owned(), at });
        }
    }

    /// Forgets the files that `stays` refuses.
    pub fn prune(&mut self, stays: impl Fn(&str) -> bool) {
        self.0.retain(|line| stays(line.entry.strip_suffix(ACCEPTED).unwrap_or(&line.entry)));
    }

    /// The file's text.
    pub fn text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, Line { release, entry, at }| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{release},{entry},{at}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "ocp-test-result-4.19.0-0.nightly-2026-07-01-161907-amd64.json";

    #[test]
    fn lines_stay_as_they_are_and_bad_ones_are_left_out() {
        let text = format!(
            "4.19,{FILE},1730000000.12\n\nnonsense\n4.20,x.json,yesterday\n4.20,,1.0\n4.20,b.json,1730000001\n"
        );
        let (notified, bad) = Notified::read(&text);
        assert_eq!(bad, [3, 4, 5]);
        assert_eq!(notified.text(), format!("4.19,{FILE},1730000000.12\n4.20,b.json,1730000001\n"));
        assert_eq!(notified.told_at(FILE).unwrap().as_second(), 1_730_000_000);
        assert!(notified.has("b.json") && !notified.has("c.json"));
    }

    #[test]
    fn what_is_told_stands_there_once_and_vanishes_with_its_file() {
        let mut notified = Notified::default();
        let at = Timestamp::new(1_783_004_400, 250_000_000).unwrap();
        for _ in 0..2 {
            notified.add("4.19", FILE, at);
            notified.add("4.19", &accepted_mark(FILE), at);
        }
        assert_eq!(
            notified.text(),
            format!("4.19,{FILE},1783004400.250000\n4.19,{FILE}#accepted,1783004400.250000\n")
        );
        assert_eq!(Notified::read(&notified.text()), (notified.clone(), Vec::new()));
        notified.prune(|file| file != FILE);
        assert_eq!(notified.text(), "");
    }
}
