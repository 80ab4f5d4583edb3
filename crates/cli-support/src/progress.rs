use std::io::{IsTerminal as _, Write};
use std::time::{Duration, Instant};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The time after which a duration is shown.
const NOTABLE: Duration = Duration::from_secs(3);
/// The columns of a terminal with unknown width.
const COLUMNS: usize = 80;

/// The progress line at the end of a terminal. It is rewritten in place, and removed before anything else is
/// written.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    text: String,
    since: Option<Instant>,
    /// The columns of the line that are in use.
    shown: usize,
    columns: Option<usize>,
}

impl Progress {
    /// A progress line on standard error; `None` unless that is a terminal that can rewrite a line.
    pub(crate) fn of_terminal() -> Option<Self> {
        std::io::stderr().is_terminal().then(Self::default)
    }

    /// Shows `text`; nothing when it is empty.
    pub(crate) fn say(&mut self, text: &str, err: &mut dyn Write) {
        let line = text.lines().next().unwrap_or_default().trim();
        if line.is_empty() {
            self.clear(err);
            return;
        }
        if self.text != line {
            line.clone_into(&mut self.text);
            self.since = Some(Instant::now());
        }
        self.draw(err);
    }

    /// Updates the shown duration.
    pub(crate) fn tick(&mut self, err: &mut dyn Write) {
        if !self.text.is_empty() {
            self.draw(err);
        }
    }

    /// Removes the line.
    pub(crate) fn clear(&mut self, err: &mut dyn Write) {
        self.text.clear();
        self.since = None;
        if self.shown > 0 {
            // Spaces instead of an escape code, because they always work. Errors are ignored: the line is not
            // important.
            let _ = write!(err, "\r{:1$}\r", "", self.shown).and_then(|()| err.flush());
            self.shown = 0;
        }
    }

    fn draw(&mut self, err: &mut dyn Write) {
        let elapsed = self.since.map(|since| since.elapsed()).unwrap_or_default();
        let time = if elapsed >= NOTABLE { format!(" ({} s)", elapsed.as_secs()) } else { String::new() };
        // The last column stays free, otherwise the terminal would start a new line.
        let room = self.columns().saturating_sub(time.len() + 1);
        let line = format!("{}{time}", cut(&self.text, room));
        let width = line.width();
        let blanks = self.shown.saturating_sub(width);
        let _ = write!(err, "\r{line}{:blanks$}\r", "").and_then(|()| err.flush());
        self.shown = width;
    }

    fn columns(&self) -> usize {
        self.columns.unwrap_or_else(|| {
            terminal_size::terminal_size_of(std::io::stderr())
                .map_or(COLUMNS, |(terminal_size::Width(columns), _)| usize::from(columns))
        })
    }
}

/// `text` cut to at most `width` columns of a terminal, with an ellipsis if it is cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let kept: String = text
        .chars()
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= width
        })
        .collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_the_width_of_its_characters() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("日本語", 5).width(), 5);
    }

    #[test]
    fn the_line_is_rewritten_in_place_cut_and_gone_in_the_end() {
        let mut progress = Progress { columns: Some(20), ..Progress::default() };
        let mut screen = Vec::new();
        progress.say("reading the state", &mut screen);
        progress.say("waiting for GitHub (api.github.com)", &mut screen);
        progress.say("short\nand more", &mut screen);
        progress.clear(&mut screen);
        progress.clear(&mut screen);
        let text = String::from_utf8(screen).unwrap();
        assert_eq!(
            text,
            format!(
                "\rreading the state\r\rwaiting for GitHub…\r\rshort{}\r\r{}\r",
                " ".repeat(14),
                " ".repeat(5)
            )
        );
    }

    #[test]
    fn what_takes_long_says_how_long() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(7)).unwrap();
        let mut progress = Progress {
            text: "waiting".to_owned(),
            since: Some(long_ago),
            columns: Some(40),
            ..Progress::default()
        };
        let mut screen = Vec::new();
        progress.tick(&mut screen);
        assert_eq!(String::from_utf8(screen).unwrap(), "\rwaiting (7 s)\r");
    }
}
