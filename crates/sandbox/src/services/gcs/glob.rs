//! Patterns of object names: `*` within a part of the path, `**` across parts, `?`, `[…]`, `{a,b}`.

use regex::Regex;

/// The pattern as a regular expression; an error for a pattern that the service refuses.
pub(super) fn pattern(glob: &str) -> Result<Regex, String> {
    let mut text = String::from("^");
    let mut letters = glob.chars().peekable();
    let mut braces = 0_usize;
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.next_if_eq(&'*').is_some() => {
                // `**/` matches no folder at all, too.
                match letters.next_if_eq(&'/') {
                    Some(_) => text.push_str("(?:.*/)?"),
                    None => text.push_str(".*"),
                }
            }
            '*' => text.push_str("[^/]*"),
            '?' => text.push_str("[^/]"),
            '[' => {
                text.push('[');
                if letters.next_if(|next| matches!(next, '!' | '^')).is_some() {
                    text.push('^');
                }
                let inside: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                if inside.is_empty() {
                    return Err(format!("Invalid glob: {glob}"));
                }
                text.push_str(&inside.replace('\\', "\\\\"));
                text.push(']');
            }
            '{' => {
                braces += 1;
                text.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                text.push(')');
            }
            ',' if braces > 0 => text.push('|'),
            '\\' => text.push_str(&regex::escape(&letters.next().map(String::from).unwrap_or_default())),
            other => text.push_str(&regex::escape(&other.to_string())),
        }
    }
    text.push('$');
    if braces > 0 {
        return Err(format!("Invalid glob: {glob}"));
    }
    Regex::new(&text).map_err(|_| format!("Invalid glob: {glob}"))
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn a_star_stays_within_a_folder() {
        for (glob, name, expected) in [
            ("logs/*/x.yaml", "logs/a/x.yaml", true),
            ("logs/*/x.yaml", "logs/a/b/x.yaml", false),
            ("logs/**/x.yaml", "logs/a/b/x.yaml", true),
            ("logs/**/x.yaml", "logs/x.yaml", true),
            ("a.?", "a.b", true),
            ("a.?", "azb", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("{one,two}.json", "two.json", true),
            ("{one,two}.json", "three.json", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
        ] {
            assert_eq!(pattern(glob).unwrap().is_match(name), expected, "{glob} on {name}");
        }
        assert!(pattern("{a").is_err() && pattern("[]").is_err());
    }
}
