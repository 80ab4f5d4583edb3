//! What a message says to machines: whom it mentions and what it links to.

use regex::{Captures, Regex};
use serde::Serialize;

/// A link in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Where it leads.
    pub url: String,
    /// The label, where there is one.
    pub label: Option<String>,
}

/// Mentions and links of a text, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parsed {
    /// User ids of `<@U…>`.
    pub users: Vec<String>,
    /// Group ids of `<!subteam^S…>`.
    pub groups: Vec<String>,
    /// `here`, `channel`, `everyone`.
    pub broadcasts: Vec<String>,
    /// Channel ids of `<#C…>`.
    pub channels: Vec<String>,
    /// Links `<https://…|label>`.
    pub links: Vec<Link>,
}

/// The parts in angle brackets.
fn brackets() -> Option<Regex> {
    // The pattern is constant, so it compiles.
    Regex::new("<([^<>]+)>").ok()
}

/// The text as people see it: mentions are replaced by `names`, links by their label.
pub fn readable(text: &str, names: impl Fn(&str) -> Option<String>) -> String {
    let Some(brackets) = brackets() else { return text.to_owned() };
    let shown = brackets.replace_all(text, |found: &Captures<'_>| {
        let part = found.get(1).map_or("", |part| part.as_str());
        let (target, label) = part.split_once('|').unwrap_or((part, part));
        let id = target.strip_prefix("!subteam^").or_else(|| target.strip_prefix('@'));
        id.and_then(&names).unwrap_or_else(|| label.to_owned())
    });
    shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Reads the parts in angle brackets.
pub fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let Some(brackets) = brackets() else { return parsed };
    for part in brackets.captures_iter(text).filter_map(|found| found.get(1)) {
        let (target, label) = match part.as_str().split_once('|') {
            Some((target, label)) => (target, Some(label.to_owned())),
            None => (part.as_str(), None),
        };
        if let Some(user) = target.strip_prefix('@') {
            parsed.users.push(user.to_owned());
        } else if let Some(group) = target.strip_prefix("!subteam^") {
            parsed.groups.push(group.to_owned());
        } else if let Some(broadcast) = target.strip_prefix('!') {
            parsed.broadcasts.push(broadcast.to_owned());
        } else if let Some(channel) = target.strip_prefix('#') {
            parsed.channels.push(channel.to_owned());
        } else {
            parsed.links.push(Link { url: target.to_owned(), label });
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_names_and_labels() {
        let names = |id: &str| (id == "S1").then(|| "@leads".to_owned());
        let text = "<!subteam^S1> <@U9>: <https://x.test|the file>, <https://y.test> &lt;b&gt; &amp;lt;";
        assert_eq!(readable(text, names), "@leads @U9: the file, https://y.test <b> &lt;");
    }

    #[test]
    fn mentions_and_links() {
        let parsed = parse(
            "<!subteam^S1> <@U1|robin>: see <https://x.test/a?b=c|the file>, <https://y.test> &lt;b&gt; <!here>",
        );
        assert_eq!(parsed.groups, ["S1"]);
        assert_eq!(parsed.users, ["U1"]);
        assert_eq!(parsed.broadcasts, ["here"]);
        let link =
            |url: &str, label: Option<&str>| Link { url: url.to_owned(), label: label.map(str::to_owned) };
        assert_eq!(
            parsed.links,
            [link("https://x.test/a?b=c", Some("the file")), link("https://y.test", None)]
        );
    }
}
