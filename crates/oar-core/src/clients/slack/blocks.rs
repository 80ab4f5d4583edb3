//! The blocks that our messages use (Slack's Block Kit).

use slack_morphism::blocks::{
    SlackBlock, SlackBlockMarkDownText, SlackBlockPlainText, SlackBlockText, SlackContextBlock,
    SlackContextBlockElement, SlackHeaderBlock, SlackSectionBlock,
};

/// One block. Slack refuses a message with more than 50.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A title: plain text of at most 150 characters.
    Header(String),
    /// A paragraph: markup of at most 3,000 characters.
    Section(String),
    /// Small print: markup of at most 3,000 characters.
    Context(String),
}

impl Block {
    /// The block as the library's type.
    pub(super) fn to_library(&self) -> SlackBlock {
        match self {
            Self::Header(text) => {
                SlackHeaderBlock::new(SlackBlockPlainText::new(text.clone()).with_emoji(false).into()).into()
            }
            Self::Section(text) => {
                let text = SlackBlockText::MarkDown(SlackBlockMarkDownText::new(text.clone()));
                SlackSectionBlock::new().with_text(text).into()
            }
            Self::Context(text) => {
                let text = SlackBlockMarkDownText::new(text.clone());
                SlackContextBlock::new(vec![SlackContextBlockElement::MarkDown(text)]).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_have_slacks_form() {
        let blocks =
            [Block::Header("R&D".into()), Block::Section("<@U0AAA> *x*".into()), Block::Context("y".into())];
        let blocks: Vec<SlackBlock> = blocks.iter().map(Block::to_library).collect();
        assert_eq!(
            serde_json::to_value(blocks).unwrap(),
            json!([
                {"type": "header", "text": {"type": "plain_text", "text": "R&D", "emoji": false}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "<@U0AAA> *x*"}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "y"}]}
            ])
        );
    }
}
