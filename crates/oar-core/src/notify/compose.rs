//! The parts of a message: recipients, event, lists and next steps; as text and, where that is easier to
//! read, as blocks.

use std::fmt::Display;

use super::split::{SECTION_LIMIT, TEXT_LIMIT, split};
use super::{Message, escape};
use crate::clients::slack::Block;

/// The most characters of one list; the remaining items are counted.
const LIST_LIMIT: usize = 2_000;
/// The most characters of a quoted reason; the rest is cut off.
const QUOTE_LIMIT: usize = 1_200;
/// Slack's limit of a header, in characters.
const HEADER_LIMIT: usize = 150;
/// Slack's limit of blocks per message.
const BLOCKS_LIMIT: usize = 50;

/// Builds a message.
#[derive(Debug, Default)]
pub(super) struct Composition {
    header: Option<String>,
    paragraphs: Vec<String>,
    footer: Option<String>,
}

impl Composition {
    /// A message without blocks, which starts with `first` (markup).
    pub(super) fn plain(first: String) -> Self {
        Self { header: None, paragraphs: vec![first], footer: None }
    }

    /// A message with blocks: a header (plain text), then `first` (markup).
    pub(super) fn titled(header: impl Into<String>, first: String) -> Self {
        Self { header: Some(header.into()), paragraphs: vec![first], footer: None }
    }

    /// Adds a paragraph (markup), unless it is empty.
    pub(super) fn paragraph(mut self, text: String) -> Self {
        if !text.is_empty() {
            self.paragraphs.push(text);
        }
        self
    }

    /// Adds what the reader can do (markup), in small print.
    pub(super) fn footer(mut self, text: impl Into<String>) -> Self {
        self.footer = Some(text.into());
        self
    }

    /// The message. It has blocks when it has a header and they stay within Slack's limits.
    pub(super) fn message(self, key: String, channel: &str) -> Message {
        let lines: Vec<&str> =
            self.paragraphs.iter().map(String::as_str).chain(self.footer.as_deref()).collect();
        let text = lines.join("\n");
        let blocks = self.blocks(&text);
        Message { blocks, ..Message::new(key, channel, text) }
    }

    fn blocks(self, text: &str) -> Vec<Block> {
        let Some(header) = self.header else { return Vec::new() };
        // A text that needs several messages is sent without blocks.
        if text.chars().count() > TEXT_LIMIT {
            return Vec::new();
        }
        let mut blocks = vec![Block::Header(header.chars().take(HEADER_LIMIT).collect())];
        for paragraph in &self.paragraphs {
            blocks.extend(split(paragraph, SECTION_LIMIT).into_iter().map(Block::Section));
        }
        blocks.extend(self.footer.map(Block::Context));
        if blocks.len() > BLOCKS_LIMIT { Vec::new() } else { blocks }
    }
}

/// `title: a, b, c` for a list that may be long: at most [`LIST_LIMIT`] characters, then the number of
/// omitted and of all items. Empty for an empty list.
pub(super) fn listed<T: Display>(title: &str, items: &[T]) -> String {
    bounded(&format!("{title}: "), items, ", ")
}

/// The same list with one item per line.
pub(super) fn bulleted<T: Display>(title: &str, items: &[T]) -> String {
    bounded(&format!("{title}:\n• "), items, "\n• ")
}

fn bounded<T: Display>(title: &str, items: &[T], separator: &str) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut text = title.to_owned();
    let mut length = 0;
    for (index, item) in items.iter().enumerate() {
        let item = item.to_string();
        let characters = item.chars().count();
        if length + characters > LIST_LIMIT && index > 0 {
            let line = if separator.starts_with('\n') { "\n" } else { " " };
            let (more, all) = (items.len() - index, items.len());
            text.extend([line, "… and ", &more.to_string(), " more, ", &all.to_string(), " in all"]);
            break;
        }
        if index > 0 {
            text.push_str(separator);
        }
        text.push_str(&item);
        length += characters;
    }
    text
}

/// One line of text from another source, escaped and shortened.
pub(super) fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= QUOTE_LIMIT {
        return escape(&line);
    }
    let kept: String = line.chars().take(QUOTE_LIMIT).collect();
    format!("{}…", escape(&kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_say_how_long_they_are_and_what_is_left_out() {
        assert_eq!(listed::<&str>("Bugs", &[]), "");
        assert_eq!(listed("Bugs", &["A-1", "A-2"]), "Bugs: A-1, A-2");
        assert_eq!(bulleted("Bugs", &["A-1", "A-2"]), "Bugs:\n• A-1\n• A-2");
        let many: Vec<String> = (0..400).map(|number| format!("OCPBUGS-{number:04}")).collect();
        let text = listed("Bugs", &many);
        assert!(text.starts_with("Bugs: OCPBUGS-0000, "), "{text}");
        assert!(text.ends_with(" … and 234 more, 400 in all"), "{text}");
        assert_eq!(text.matches("OCPBUGS-").count(), 400 - 234);
        assert!(bulleted("Bugs", &many).ends_with("\n… and 234 more, 400 in all"));
    }

    #[test]
    fn an_item_that_alone_is_too_long_is_shown_all_the_same() {
        let long = "x".repeat(LIST_LIMIT + 1);
        assert_eq!(listed("A", &[long.as_str(), "b"]), format!("A: {long} … and 1 more, 2 in all"));
    }

    #[test]
    fn quoted_text_is_one_escaped_line() {
        assert_eq!(quoted("a\n  <b> & c"), "a &lt;b&gt; &amp; c");
        let long = quoted(&"&".repeat(QUOTE_LIMIT + 5));
        assert_eq!(long, format!("{}…", "&amp;".repeat(QUOTE_LIMIT)));
    }

    #[test]
    fn a_titled_message_has_blocks_and_the_same_words_as_text() {
        let message = Composition::titled("4.19.1: R&D", "<@U0AAA> Look.".into())
            .paragraph(listed("Bugs", &["A-1"]))
            .paragraph(String::new())
            .footer("Then go on.")
            .message("k".into(), "#c");
        assert_eq!(message.text, "<@U0AAA> Look.\nBugs: A-1\nThen go on.");
        assert_eq!(
            message.blocks,
            [
                Block::Header("4.19.1: R&D".into()),
                Block::Section("<@U0AAA> Look.".into()),
                Block::Section("Bugs: A-1".into()),
                Block::Context("Then go on.".into()),
            ]
        );
        assert!(Composition::plain("x".into()).message("k".into(), "#c").blocks.is_empty());
    }

    #[test]
    fn blocks_keep_to_slacks_limits_or_are_left_out() {
        let long = format!("{}\n{}", "a".repeat(2_000), "b".repeat(1_500));
        let message = Composition::titled("t".repeat(200), long).message("k".into(), "#c");
        assert_eq!(message.blocks[0], Block::Header("t".repeat(150)));
        assert_eq!(message.blocks[1..].len(), 2);
        let many = (0..60).fold(Composition::titled("t", "x".into()), |made, _| made.paragraph("y".into()));
        assert!(many.message("k".into(), "#c").blocks.is_empty());
        let huge = Composition::titled("t", "x\n".repeat(2_500)).message("k".into(), "#c");
        assert!(huge.blocks.is_empty());
    }
}
