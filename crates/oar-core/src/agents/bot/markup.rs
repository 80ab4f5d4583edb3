//! Slack's markup of a received text, taken apart (spec 05 §4.6, "text received").

use crate::clients::slack::UserId;

/// A part of a received text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Characters that the person typed, entities decoded.
    Text(String),
    /// A person: `<@U0AAA>`, `<@U0AAA|name>`.
    Person(UserId),
    /// What stood in angle brackets otherwise, as the person meant it: an address, a URL, `#channel`, `@group`.
    Reference(String),
}

/// The pieces of `text`. Brackets are taken apart before entities are decoded, and entities are decoded once: `&amp;lt;`
/// is what somebody wrote as `&lt;`. A bracket without its end is text.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, bracket) = rest.split_at(start);
        let inner = bracket.get(1..).unwrap_or_default();
        let Some((inner, after)) = inner.split_once('>') else { break };
        push_text(&mut found, before);
        found.push(reference(inner));
        rest = after;
    }
    push_text(&mut found, rest);
    found
}

fn push_text(found: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        found.push(Piece::Text(decoded(text)));
    }
}

fn reference(inner: &str) -> Piece {
    let (target, label) = match inner.split_once('|') {
        Some((target, label)) => (target, Some(label).filter(|label| !label.is_empty())),
        None => (inner, None),
    };
    let meant = if let Some(id) = target.strip_prefix('@') {
        return Piece::Person(UserId(id.to_owned()));
    } else if let Some(id) = target.strip_prefix('#') {
        format!("#{}", label.unwrap_or(id))
    } else if let Some(group) = target.strip_prefix("!subteam^") {
        // The label has its `@`, the id has none.
        format!("@{}", label.unwrap_or(group).trim_start_matches('@'))
    } else if let Some(special) = target.strip_prefix('!') {
        format!("@{special}")
    } else if let Some(address) = target.strip_prefix("mailto:") {
        address.to_owned()
    } else {
        // Slack makes a link of every word that looks like a host: what was typed is its label then.
        let typed = label.filter(|label| target.strip_prefix("http://") == Some(label));
        typed.unwrap_or(target).to_owned()
    };
    Piece::Reference(decoded(&meant))
}

/// The only entities that Slack writes.
fn decoded(text: &str) -> String {
    // The ampersand last, so that `&amp;lt;` stays `&lt;`.
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clients::slack::escape;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn named(text: &str) -> Piece {
        Piece::Reference(text.to_owned())
    }

    #[test]
    fn every_form_means_what_the_person_wrote() {
        for (received, meant) in [
            ("<mailto:owner@example.com|Owner>", "owner@example.com"),
            ("<mailto:owner@example.com>", "owner@example.com"),
            ("<https://example.com/a?b=1&amp;c=2|label>", "https://example.com/a?b=1&c=2"),
            ("<https://example.com/>", "https://example.com/"),
            ("<http://quay.example.com/a:4.19.1|quay.example.com/a:4.19.1>", "quay.example.com/a:4.19.1"),
            ("<#C0AAA|qe-release>", "#qe-release"),
            ("<#C0AAA|>", "#C0AAA"),
            ("<#C0AAA>", "#C0AAA"),
            ("<!here>", "@here"),
            ("<!here|here>", "@here"),
            ("<!subteam^S0AAA|@demo-leads>", "@demo-leads"),
            ("<!subteam^S0AAA>", "@S0AAA"),
        ] {
            assert_eq!(pieces(received), [named(meant)], "{received}");
        }
        for person in ["<@W0AAA>", "<@W0AAA|name>"] {
            assert_eq!(pieces(person), [Piece::Person(UserId("W0AAA".into()))]);
        }
    }

    #[test]
    fn entities_are_decoded_once_and_after_the_brackets() {
        assert_eq!(pieces("a &amp;&amp; b"), [text("a && b")]);
        assert_eq!(pieces("&lt;@U0AAA&gt;"), [text("<@U0AAA>")]);
        assert_eq!(pieces("&amp;lt;"), [text("&lt;")]);
        assert_eq!(pieces("&quot;"), [text("&quot;")]);
        assert_eq!(pieces("x <open"), [text("x <open")]);
    }

    proptest! {
        #[test]
        fn what_was_typed_comes_back(typed in ".+") {
            prop_assert_eq!(pieces(&escape(&typed)), [Piece::Text(typed)]);
        }

        #[test]
        fn nothing_makes_it_panic(received in r"[<>@#!|&;a-z^:]*") {
            let _ = pieces(&received);
        }
    }
}
