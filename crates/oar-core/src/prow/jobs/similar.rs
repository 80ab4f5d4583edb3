//! Finds names that are similar to a typed text.

/// Longer texts are not part of any job's name and are not compared.
const LONGEST: usize = 200;
/// The share of its characters that must be right for a text to be similar.
const RIGHT: f64 = 0.8;

/// The names that nearly contain `text`, the most similar first. Names that are much less similar than the
/// first are left out.
pub(super) fn names<'a>(text: &str, names: &'a [String]) -> Vec<&'a str> {
    let typed: Vec<char> = text.chars().take(LONGEST + 1).collect();
    if typed.len() > LONGEST {
        return Vec::new();
    }
    let mut close: Vec<(usize, &str)> =
        names.iter().map(|name| (distance(&typed, name), name.as_str())).collect();
    close.sort_by_key(|(distance, _)| *distance);
    let nearest = close.first().map_or(0, |(distance, _)| *distance);
    close
        .into_iter()
        .filter(|(distance, _)| *distance <= nearest * 2 + 1 && is_close(*distance, typed.len()))
        .map(|(_, name)| name)
        .collect()
}

fn is_close(distance: usize, length: usize) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
    let right = 1.0 - distance as f64 / length.max(1) as f64;
    right >= RIGHT
}

/// The fewest characters of `typed` that must be changed, removed, added, or swapped with their neighbour to
/// make it a part of `name`.
///
/// The usual table of edit distances, but the part may start and end anywhere: the first row is 0, and the
/// smallest value of the last row counts.
fn distance(typed: &[char], name: &str) -> usize {
    let name: Vec<char> = name.chars().take(LONGEST).collect();
    let mut above = vec![0; name.len() + 1];
    let mut two_above = above.clone();
    let mut letter_above = None;
    for (row, letter) in typed.iter().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        let (mut left, mut letter_left) = (row + 1, None);
        current.push(left);
        for (column, known) in name.iter().enumerate() {
            let mut least = above[column] + usize::from(letter != known);
            least = least.min(left + 1).min(above[column + 1] + 1);
            if column > 0 && letter_left == Some(letter) && letter_above == Some(known) {
                least = least.min(two_above[column - 1] + 1);
            }
            current.push(least);
            (left, letter_left) = (least, Some(known));
        }
        letter_above = Some(letter);
        two_above = std::mem::replace(&mut above, current);
    }
    above.into_iter().min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        let job = |release: &str, cloud: &str| format!("periodic-ci-demo-release-{release}-e2e-{cloud}-f999");
        ["4.19", "4.20", "4.21"]
            .iter()
            .flat_map(|release| ["aws", "gcp-fips", "azure"].map(|cloud| job(release, cloud)))
            .collect()
    }

    #[test]
    fn a_slip_in_a_part_of_a_name_finds_the_name() {
        for slip in [
            "4.20-e2e-gpc-fips",
            "4.20-e2e-gcp-fisp",
            "4.20-e2e-gc-fips",
            "4.20-e2e-gcpp-fips",
            "4.20-e3e-gcp-fips",
            "periodic-ci-demo-release-4.20-e2e-gpc-fips",
            "periodic-ci-demo-release-4.20-e2e-gcp-fips-f99",
            "periodic-ci-demo-release-4.20-e2e-gcp-fips-f9999-extra",
        ] {
            let known = known();
            let close = names(slip, &known);
            assert_eq!(close.first(), Some(&"periodic-ci-demo-release-4.20-e2e-gcp-fips-f999"), "{slip}");
            assert!(close.len() <= 4, "{slip}: {close:?}");
        }
    }

    #[test]
    fn what_is_no_slip_is_not_close_to_anything() {
        let known = known();
        for text in ["no-such-thing", "awz", "", &"4.20-e2e-".repeat(40)] {
            let close = names(text, &known);
            assert!(close.is_empty() || text.is_empty(), "{text}: {close:?}");
        }
        assert!(names("4.20", &[]).is_empty());
    }

    #[test]
    fn distances_are_those_of_the_nearest_part() {
        let typed = |text: &str| text.chars().collect::<Vec<_>>();
        for (text, name, expected) in [
            ("bc", "abcd", 0),
            ("cb", "abcd", 1),
            ("bxc", "abcd", 1),
            ("bd", "abcd", 1),
            ("abc", "", 3),
            ("ü", "xüx", 0),
        ] {
            assert_eq!(distance(&typed(text), name), expected, "{text} in {name}");
        }
    }
}
