//! The blocks that our messages use (Slack's Block Kit).

use slack_morphism::SlackActionId;
use slack_morphism::blocks::{
    SlackActionBlockElement, SlackActionsBlock, SlackBlock, SlackBlockButtonElement, SlackBlockButtonStyle,
    SlackBlockMarkDownText, SlackBlockPlainText, SlackBlockText, SlackContextBlock, SlackContextBlockElement,
    SlackHeaderBlock, SlackSectionBlock,
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
    /// Buttons, at most 25.
    Buttons(Vec<Button>),
}

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ButtonStyle {
    /// What is meant to be clicked.
    Primary,
    /// What ends something.
    Danger,
}

/// A button. Everybody in the channel can read its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// What a click on it says it was, at most 255 characters.
    pub action: String,
    /// Plain text of at most 75 characters.
    pub label: String,
    /// What a click on it carries, at most 2,000 characters.
    pub value: String,
    /// How it looks.
    pub style: ButtonStyle,
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
            Self::Buttons(buttons) => {
                SlackActionsBlock::new(buttons.iter().map(Button::to_library).collect()).into()
            }
        }
    }
}

impl Button {
    fn to_library(&self) -> SlackActionBlockElement {
        let label = SlackBlockPlainText::new(self.label.clone()).with_emoji(false);
        let style = match self.style {
            ButtonStyle::Primary => SlackBlockButtonStyle::Primary,
            ButtonStyle::Danger => SlackBlockButtonStyle::Danger,
        };
        SlackBlockButtonElement::new(label.into())
            .with_action_id(SlackActionId(self.action.clone()))
            .with_value(self.value.clone())
            .with_style(style)
            .into()
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
        let approve = Button {
            action: "approve".into(),
            label: "Approve".into(),
            value: "1".into(),
            style: ButtonStyle::Primary,
        };
        let buttons = Block::Buttons(vec![approve]).to_library();
        assert_eq!(
            serde_json::to_value(buttons).unwrap(),
            json!({"type": "actions", "elements": [{
                "type": "button", "action_id": "approve", "value": "1", "style": "primary",
                "text": {"type": "plain_text", "text": "Approve", "emoji": false},
            }]})
        );
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
