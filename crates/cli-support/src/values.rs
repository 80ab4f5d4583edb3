//! Values of options, parsed as in the Python tooling's command lines.

use std::num::NonZeroU64;
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

/// A whole number that is not negative.
pub fn count(text: &str) -> Result<usize, String> {
    text.trim().parse().map_err(|_| "expected a number from 0 on, such as 5".to_owned())
}

/// The number of a merge request.
pub fn merge_request(text: &str) -> Result<NonZeroU64, String> {
    text.trim().parse().map_err(|_| "expected the number of a merge request, such as 612".to_owned())
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

    #[test]
    fn numbers_out_of_their_range_are_refused_with_an_example() {
        assert_eq!((count("0"), merge_request(" 612 ")), (Ok(0), Ok(NonZeroU64::new(612).unwrap())));
        for text in ["-1", "", "five", "1.5"] {
            assert!(count(text).unwrap_err().contains("such as 5"), "{text:?}");
        }
        for text in ["-5", "0", "", "!612"] {
            assert!(merge_request(text).unwrap_err().contains("such as 612"), "{text:?}");
        }
    }
}
