//! How what a command wrote becomes messages: one, a file, or, where Slack takes no file, a few (spec 05 §4.4, §4.6).

use crate::clients::slack::escape;

/// Characters of a message that Slack recommends as the most, and takes in `chat.update`.
const MESSAGE: usize = 4000;
/// Characters around what a message shows.
const FENCES: usize = "```\n\n```".len();
/// The most messages in place of a file.
const MOST_PAGES: usize = 5;
/// What is said where a text was cut.
const CUT: &str = "\n… the rest is left out";
/// A blank of no width, which keeps three backticks from ending the block.
const NO_WIDTH: char = '\u{200b}';

/// What answers a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// One message, in Slack's markup.
    Message(String),
    /// A file with everything. Its comment shows the end, where results and errors stand.
    File {
        /// The text above the file, in Slack's markup.
        comment: String,
        /// The file's content.
        content: String,
    },
}

impl Reply {
    /// The answer with this output, already redacted, below a line in plain text (`oar status: done`).
    pub fn new(headline: &str, output: &str) -> Self {
        let output = output.trim_end();
        let headline = escape(headline);
        if output.is_empty() {
            return Self::Message(headline);
        }
        let shown = visible(output);
        if headline.chars().count() + 1 + FENCES + shown.chars().count() <= MESSAGE {
            return Self::Message(format!("{headline}\n{}", fenced(&shown)));
        }
        let end = output.lines().rev().take(5).collect::<Vec<_>>();
        let end: Vec<&str> = end.into_iter().rev().collect();
        let end: String = end.join("\n").chars().take(500).collect();
        let comment =
            format!("{headline}\nThe output is in the file; it ends with:\n{}", fenced(&visible(&end)));
        Self::File { comment, content: format!("{output}\n") }
    }
}

/// The messages in place of a file that Slack refuses: whole lines, at most five messages; what is left out is said.
pub fn pages(output: &str) -> Vec<String> {
    let room = MESSAGE - FENCES;
    let mut pages = vec![String::new()];
    let mut used = 0;
    for piece in output.trim_end().split_inclusive('\n').flat_map(|line| slices(line, room)) {
        let piece = visible(piece);
        let length = piece.chars().count();
        if used + length > room {
            pages.push(String::new());
            used = 0;
        }
        if let Some(page) = pages.last_mut() {
            page.push_str(&piece);
            used += length;
        }
    }
    if pages.len() > MOST_PAGES {
        pages.truncate(MOST_PAGES);
        if let Some(last) = pages.last_mut() {
            // An entity must not be cut in the middle: whole lines go.
            while last.chars().count() + CUT.chars().count() > room {
                let kept = last.trim_end().rfind('\n').unwrap_or(0);
                last.truncate(kept);
            }
            last.push_str(CUT);
        }
    }
    pages.iter().map(|page| fenced(page.trim_end_matches('\n'))).collect()
}

/// A line in pieces that fit into a message, however many of their characters become entities.
fn slices(line: &str, room: usize) -> impl Iterator<Item = &str> {
    // `&amp;` has five characters.
    let most = room / 5;
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let fits = visible(rest).chars().count() <= room;
        let end = rest.char_indices().nth(most).filter(|_| !fits).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// The text as it stands inside a block of code.
fn visible(text: &str) -> String {
    escape(text).replace("``", &format!("`{NO_WIDTH}`"))
}

fn fenced(text: &str) -> String {
    format!("```\n{text}\n```")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_output_is_one_message() {
        assert_eq!(
            Reply::new("oar status: <done>", "a & b\n"),
            Reply::Message("oar status: &lt;done&gt;\n```\na &amp; b\n```".into())
        );
        assert_eq!(Reply::new("done", " \n"), Reply::Message("done".into()));
        let Reply::Message(message) = Reply::new("done", "x ```\n<!here> y") else { panic!("a file") };
        assert_eq!(message.matches("```").count(), 2, "{message}");
        assert!(!message.contains("<!here>"));
    }

    #[test]
    fn long_output_is_a_file_that_shows_its_end() {
        let output = format!("{}the end\n", "line\n".repeat(1000));
        let Reply::File { comment, content } = Reply::new("done", &output) else { panic!("a message") };
        assert_eq!(content, output);
        assert!(comment.contains("the end") && comment.chars().count() < 1000, "{comment}");
        let most = MESSAGE - FENCES - "done\n".len();
        assert!(
            matches!(Reply::new("done", &"x".repeat(most)), Reply::Message(text) if text.len() == MESSAGE)
        );
        assert!(matches!(Reply::new("done", &"x".repeat(most + 1)), Reply::File { .. }));
    }

    #[test]
    fn pages_hold_whole_lines_and_say_what_is_left_out() {
        let line = format!("{}\n", "x".repeat(99));
        let few = pages(&line.repeat(60));
        assert_eq!(few.len(), 2);
        assert!(few.iter().all(|page| page.ends_with("x\n```") && page.starts_with("```\nx")), "{few:?}");
        let many = pages(&line.repeat(600));
        assert_eq!(many.len(), MOST_PAGES);
        assert!(many.last().unwrap().ends_with("left out\n```"), "{many:?}");
        assert!(many[..MOST_PAGES - 1].iter().all(|page| !page.contains("left out")));
    }

    proptest! {
        #[test]
        fn no_page_is_too_long_and_none_breaks_out(output in "[a-z&<`\n]{0,30000}") {
            let pages = pages(&output);
            prop_assert!(pages.len() <= MOST_PAGES);
            for page in &pages {
                prop_assert!(page.chars().count() <= MESSAGE);
                prop_assert_eq!(page.matches("```").count(), 2);
            }
        }

        #[test]
        fn pages_lose_nothing_that_fits(output in "[a-z& \n]{1,9000}") {
            let joined: String = pages(&output).iter().map(|page| page.replace("```", "").replace('\n', "")).collect();
            prop_assert_eq!(joined, escape(output.trim_end()).replace('\n', ""));
        }
    }
}
