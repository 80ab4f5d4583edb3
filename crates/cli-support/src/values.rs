//! Values of options, parsed as in the Python tooling's command lines.

use std::str::FromStr;

/// A boolean, in any of the spellings that the Python tooling accepts.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// The value without surrounding spaces, which people write after the commas of a list.
pub fn trimmed<T: FromStr>(text: &str) -> Result<T, T::Err> {
    text.trim().parse()
}

/// A number with its noun, which takes an `s`: `1 file`, `2 files`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_truth() {
        for word in ["true", "T", "Yes", "y", "ON", " 1 "] {
            assert_eq!(boolean(word), Ok(true), "{word:?}");
        }
        for word in ["false", "F", "No", "n", "OFF", "0"] {
            assert_eq!(boolean(word), Ok(false), "{word:?}");
        }
        for word in ["", "2", "maybe", "yess"] {
            assert!(boolean(word).is_err(), "{word:?}");
        }
    }

    #[test]
    fn spaces_around_a_value_do_not_count() {
        assert_eq!(trimmed::<u8>(" 7\t"), Ok(7));
        assert!(trimmed::<u8>("7 7").is_err());
    }
}
