//! Splits long texts into messages: at line ends, never inside a mention, a link, an entity or a code fence.

/// The longest text of one message, in characters (spec 03 §8.1).
pub const TEXT_LIMIT: usize = 4_000;
/// Block Kit's limit of one section's text, in characters.
pub const SECTION_LIMIT: usize = 3_000;

const FENCE: &str = "```";
/// Characters that a cut inside a code block adds at either end.
const FENCE_COST: usize = 4;

/// A unit of text that is not cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Blank,
    LineEnd,
    /// Opens or closes a code block.
    Fence,
}

struct Unit {
    end: usize,
    characters: usize,
    kind: Kind,
}

/// A piece of the text, and whether its ends are inside a code block.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'a> {
    text: &'a str,
    opened_before: bool,
    stays_open: bool,
}

/// `text` in parts of at most `limit` characters, for messages that are sent one after the other.
///
/// A part ends at a line end; a line that is too long is cut at a space or, when it has none, anywhere but
/// inside `<…>` and `&…;`. A code block that is cut is closed at the end of one part and opened again in the
/// next. Only the white space around a cut is lost. Limits below 32 count as 32.
pub fn split(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(32);
    pieces(text, limit).iter().map(rendered).filter(|part| !part.trim().is_empty()).collect()
}

/// `text` as the content of a code block: escaped, and without anything that would end the block.
pub fn code_block(text: &str) -> String {
    let text = super::escape(text.trim_matches('\n')).replace(FENCE, "'''");
    format!("{FENCE}\n{text}\n{FENCE}")
}

fn rendered(piece: &Piece<'_>) -> String {
    let before = if piece.opened_before { "```\n" } else { "" };
    let after = if piece.stays_open { "\n```" } else { "" };
    let text = piece.text.strip_suffix('\n').unwrap_or(piece.text);
    format!("{before}{text}{after}")
}

fn pieces(text: &str, limit: usize) -> Vec<Piece<'_>> {
    let units = units(text, limit.saturating_sub(2 * FENCE_COST + 1));
    let mut pieces = Vec::new();
    let (mut first, mut start, mut opened_before) = (0, 0, false);
    while first < units.len() {
        let (next, stays_open) = fill(&units, first, opened_before, limit);
        let end = units.get(next.saturating_sub(1)).map_or(text.len(), |unit| unit.end);
        pieces.push(Piece { text: text.get(start..end).unwrap_or_default(), opened_before, stays_open });
        (first, start, opened_before) = (next, end, stays_open);
    }
    pieces
}

/// The end of the piece that starts at unit `first` (exclusive), and whether a code block is open there.
fn fill(units: &[Unit], first: usize, opened_before: bool, limit: usize) -> (usize, bool) {
    let mut length = if opened_before { FENCE_COST } else { 0 };
    let mut open = opened_before;
    let (mut at_line, mut at_blank) = (None, None);
    let mut index = first;
    while let Some(unit) = units.get(index) {
        let open_after = open != (unit.kind == Kind::Fence);
        let closing = if open_after { FENCE_COST } else { 0 };
        if length + unit.characters + closing > limit && index > first {
            return at_line.or(at_blank).unwrap_or((index, open));
        }
        length += unit.characters;
        open = open_after;
        index += 1;
        // Avoids an empty code block on either side of a cut.
        let after_opening =
            open && units.get(index.wrapping_sub(2)).is_some_and(|unit| unit.kind == Kind::Fence);
        match unit.kind {
            Kind::LineEnd if !after_opening => at_line = Some((index, open)),
            Kind::Fence if !open => at_line = Some((index, open)),
            Kind::Blank => at_blank = Some((index, open)),
            _ => {}
        }
    }
    (index, open)
}

/// The text in units that are not cut; one that is longer than `longest` is divided into characters.
fn units(text: &str, longest: usize) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let (mut rest, mut end, mut open) = (text, 0, false);
    while let Some(character) = rest.chars().next() {
        let fence = rest.starts_with(FENCE).then_some(FENCE.len());
        // The line end before a closing fence belongs to the fence; otherwise the next part would start with
        // an empty block.
        let closing = (open && rest.starts_with("\n```")).then_some(1 + FENCE.len());
        let whole = || {
            whole_length(rest)
                .filter(|length| rest.get(..*length).is_some_and(|it| it.chars().count() <= longest))
        };
        let (bytes, kind) = match (closing.or(fence), character) {
            (Some(bytes), _) => {
                open = !open;
                (bytes, Kind::Fence)
            }
            (None, '\n') => (1, Kind::LineEnd),
            (None, ' ' | '\t') => (1, Kind::Blank),
            (None, '<' | '&') => (whole().unwrap_or(1), Kind::Text),
            (None, other) => (other.len_utf8(), Kind::Text),
        };
        let (unit, after) = rest.split_at_checked(bytes).unwrap_or((rest, ""));
        end += unit.len();
        units.push(Unit { end, characters: unit.chars().count(), kind });
        rest = after;
    }
    units
}

/// The length in bytes of the mention, link or entity that `text` starts with.
fn whole_length(text: &str) -> Option<usize> {
    if text.starts_with('<') {
        let length = text.find('>')? + 1;
        let inside = text.get(1..length - 1)?;
        return (!inside.contains(['<', '\n'])).then_some(length);
    }
    ["&amp;", "&lt;", "&gt;"].into_iter().find(|entity| text.starts_with(entity)).map(str::len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str, limit: usize) -> Vec<String> {
        split(text, limit)
    }

    #[test]
    fn a_short_text_stays_as_it_is() {
        assert_eq!(parts("one\ntwo", 40), ["one\ntwo"]);
        assert_eq!(parts("", 40), Vec::<String>::new());
        assert_eq!(parts(&"x".repeat(40), 40), ["x".repeat(40)]);
    }

    #[test]
    fn lines_stay_whole() {
        let text = "a line of twenty-two c\na line of twenty-two d\nend";
        assert_eq!(parts(text, 32), ["a line of twenty-two c", "a line of twenty-two d\nend"]);
    }

    #[test]
    fn a_long_line_is_cut_at_a_blank_and_never_inside_a_mention_or_link() {
        let text = "Please verify <https://issues.example.test/browse/A-1|A-1>";
        assert_eq!(parts(text, 48), ["Please verify ", "<https://issues.example.test/browse/A-1|A-1>"]);
        let text = format!("{}<@U0AAA>", "x".repeat(28));
        assert_eq!(parts(&text, 32), ["x".repeat(28), "<@U0AAA>".to_owned()]);
        let text = format!("{}&amp;y", "x".repeat(30));
        assert_eq!(parts(&text, 32), ["x".repeat(30), "&amp;y".to_owned()]);
    }

    #[test]
    fn a_code_block_that_is_cut_is_closed_and_opened_again() {
        let text = "log:\n```\nfirst line of it\nsecond line of it\nthird\n```\nend";
        assert_eq!(
            parts(text, 40),
            ["log:\n```\nfirst line of it\n```", "```\nsecond line of it\nthird\n```\nend"]
        );
    }

    #[test]
    fn a_block_without_end_is_closed() {
        assert_eq!(parts("```\nnever closed", 60), ["```\nnever closed\n```"]);
    }

    #[test]
    fn no_part_is_an_empty_block() {
        let text = format!("{}\n```\n{}\n```", "x".repeat(30), "y".repeat(26));
        for part in parts(&text, 36) {
            assert!(!part.contains("```\n\n```") && !part.contains("```\n```"), "{part:?}");
        }
    }

    #[test]
    fn code_cannot_end_its_block() {
        assert_eq!(code_block("a ``` b <x> &\n"), "```\na ''' b &lt;x&gt; &amp;\n```");
    }

    /// Texts as in messages: lines, mentions, links, entities, fences, multi-byte characters.
    fn markup() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            4 => "[a-zäß€]{1,12}",
            2 => Just(" ".to_owned()),
            2 => Just("\n".to_owned()),
            1 => Just("<@U0AAA>".to_owned()),
            1 => Just("<https://x.test/a|b c>".to_owned()),
            1 => Just("&lt;".to_owned()),
            1 => Just("\n```\n".to_owned()),
            1 => Just("```".to_owned()),
        ];
        proptest::collection::vec(word, 0..80).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_every_part_is_within_the_limit_and_balanced(text in markup(), limit in 40_usize..120) {
            let pieces = pieces(&text, limit);
            let together: String = pieces.iter().map(|piece| piece.text).collect();
            prop_assert_eq!(&together, &text);
            for piece in &pieces {
                let part = rendered(piece);
                prop_assert!(part.chars().count() <= limit, "{} > {limit}: {part:?}", part.chars().count());
                prop_assert!(part.matches(FENCE).count().is_multiple_of(2), "{:?}", part);
                let plain = part.replace("<@U0AAA>", "").replace("<https://x.test/a|b c>", "");
                prop_assert!(!plain.contains(['<', '>']), "{:?}", part);
                prop_assert!(!plain.replace("&lt;", "").contains(['&', ';']), "{:?}", part);
            }
        }

        #[test]
        fn any_text_comes_through_in_parts_that_fit(text in ".{0,300}", limit in 32_usize..60) {
            let pieces = pieces(&text, limit);
            prop_assert_eq!(&pieces.iter().map(|piece| piece.text).collect::<String>(), &text);
            for piece in &pieces {
                prop_assert!(rendered(piece).chars().count() <= limit);
            }
        }

        #[test]
        fn any_code_is_one_balanced_block_per_part(code in "(?s).{0,400}", limit in 40_usize..80) {
            for part in split(&code_block(&code), limit) {
                prop_assert_eq!(part.matches(FENCE).count(), 2, "{:?}", part);
                prop_assert!(part.starts_with(FENCE) && part.ends_with(FENCE));
            }
        }
    }
}
