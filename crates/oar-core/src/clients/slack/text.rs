//! Slack's message markup (spec 03 §8.2) and its rule for e-mail addresses (§8.3).

use std::fmt;

/// The id of a Slack account: `U0AAA`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(pub String);

/// The id of a Slack user group: `S0AAA`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupId(pub String);

impl UserId {
    /// The placeholder for a person who could not be looked up, by login; it is resolved when the message is
    /// sent. Messages contain no addresses, so it is the part before the `@`. `None` for a login that cannot
    /// be part of a mention.
    pub fn of_login(login: &str) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
        (!login.is_empty() && login.bytes().all(good)).then(|| Self(format!("{login}@")))
    }
}

impl GroupId {
    /// The placeholder for a group that could not be looked up, by handle; it is resolved when the message is
    /// sent. `None` for a handle that cannot be part of a mention.
    pub fn of_handle(handle: &str) -> Option<Self> {
        let handle = handle.trim().trim_start_matches('@');
        let good = |letter: char| !letter.is_whitespace() && !"<>&|@^".contains(letter);
        (!handle.is_empty() && handle.chars().all(good)).then(|| Self(format!("@{handle}")))
    }
}

/// A mention in a text that must be looked up before the text is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnresolvedMention {
    /// A person, by login.
    Person(String),
    /// A group, by handle.
    Group(String),
}

impl UnresolvedMention {
    /// The unresolved mentions in a text: their spelling there, and whom they mean.
    pub fn within(text: &str) -> Vec<(String, Self)> {
        let mention = |piece: &str| {
            let (inner, _) = piece.split_once('>')?;
            if let Some(handle) = inner.strip_prefix("!subteam^@") {
                return Some((format!("<{inner}>"), Self::Group(handle.to_owned())));
            }
            let login = inner.strip_prefix('@')?.strip_suffix('@')?;
            Some((format!("<{inner}>"), Self::Person(login.to_owned())))
        };
        text.split('<').skip(1).filter_map(mention).collect()
    }
}

impl fmt::Display for UserId {
    /// The mention that notifies the person.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<@{}>", self.0)
    }
}

impl fmt::Display for GroupId {
    /// The mention that notifies the group's members.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<!subteam^{}>", self.0)
    }
}

/// Escapes plain text for Slack: `&`, `<` and `>` become entities.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A link to `url` that shows `text`.
pub fn link(url: &str, text: &str) -> String {
    let url = escape(&url.replace('|', "%7C").replace('<', "%3C").replace('>', "%3E"));
    format!("<{url}|{}>", escape(&text.replace(['\n', '\r', '|'], " ")))
}

/// The address that Slack has of a person: without the `+word` parts before the `@`.
///
/// A `+` is removed with the word characters that follow it, so `a+b-c@x` becomes `a-c@x`; a `+` without a
/// following word character is kept.
pub(super) fn lookup_address(address: &str) -> String {
    let Some((local, domain)) = address.split_once('@') else { return address.to_owned() };
    let mut kept = String::with_capacity(address.len());
    let mut rest = local.chars().peekable();
    while let Some(character) = rest.next() {
        let is_word = |next: &char| next.is_alphanumeric() || *next == '_';
        if character == '+' && rest.peek().is_some_and(is_word) {
            while rest.next_if(is_word).is_some() {}
        } else {
            kept.push(character);
        }
    }
    format!("{kept}@{domain}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mentions_and_links_have_slacks_form() {
        assert_eq!(UserId("U0AAA".into()).to_string(), "<@U0AAA>");
        assert_eq!(GroupId("S0AAA".into()).to_string(), "<!subteam^S0AAA>");
        assert_eq!(
            link("https://x.test/a?b=1&c=2", "R&D <x>"),
            "<https://x.test/a?b=1&amp;c=2|R&amp;D &lt;x&gt;>"
        );
        assert_eq!(link("https://x.test/a|b>", "a|b\nc"), "<https://x.test/a%7Cb%3E|a b c>");
    }

    #[test]
    fn who_was_not_asked_for_is_found_again_in_the_text() {
        let (group, user) =
            (GroupId::of_handle("@demo-leads").unwrap(), UserId::of_login("demo.lead").unwrap());
        let known = (GroupId("S0AAA".into()), UserId("U0AAA".into()));
        let text = format!(
            "for {group} &lt;@x@&gt;: {user}, {} {} {}",
            known.0,
            known.1,
            link("https://x.test/@", "@")
        );
        let found = UnresolvedMention::within(&text);
        assert_eq!(
            found,
            [
                ("<!subteam^@demo-leads>".to_owned(), UnresolvedMention::Group("demo-leads".to_owned())),
                ("<@demo.lead@>".to_owned(), UnresolvedMention::Person("demo.lead".to_owned())),
            ]
        );
        for bad in ["", "a b", "a<b", "a@b", "a|b"] {
            assert_eq!((UserId::of_login(bad), GroupId::of_handle(bad).map(drop)), (None, None), "{bad}");
        }
    }

    #[test]
    fn addresses_lose_their_plus_words() {
        for (address, expected) in [
            ("jdoe+jira@x", "jdoe@x"),
            ("a+b+c@x", "a@x"),
            ("a+b-c@x", "a-c@x"),
            ("a+@x", "a+@x"),
            ("a++b@x", "a+@x"),
            ("a@x+y", "a@x+y"),
            ("no address", "no address"),
        ] {
            assert_eq!(lookup_address(address), expected);
        }
    }

    proptest! {
        #[test]
        fn escaped_text_holds_no_control_character_and_loses_nothing(text in ".*") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>']));
            let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            prop_assert_eq!(back, text);
        }

        #[test]
        fn a_link_cannot_be_broken_out_of(url in ".*", text in ".*") {
            let link = link(&url, &text);
            let inner = &link[1..link.len() - 1];
            prop_assert!(!inner.contains(['<', '>']));
            prop_assert_eq!(inner.matches('|').count(), 1);
        }
    }
}
