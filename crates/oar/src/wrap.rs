use cli_support::cut;
use unicode_width::UnicodeWidthStr as _;

/// Adds `text` to `lines`: indented, each line at most `width` columns wide, at most `most` lines.
pub(crate) fn wrap(width: usize, text: &str, indent: usize, most: usize, lines: &mut Vec<String>) {
    let margin = " ".repeat(indent);
    let start = lines.len();
    let mut line = margin.clone();
    for word in text.split_whitespace() {
        let empty = line.len() == margin.len();
        if !empty && line.width() + 1 + word.width() > width {
            if lines.len() - start + 1 >= most {
                line = cut(&format!("{line}…"), width);
                break;
            }
            lines.push(std::mem::replace(&mut line, margin.clone()));
        } else if !empty {
            line.push(' ');
        }
        line.push_str(&cut(word, width - indent));
    }
    if line.len() > margin.len() {
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_to_the_width_and_to_the_number_of_lines() {
        let mut lines = Vec::new();
        wrap(100, &"word ".repeat(90), 4, 2, &mut lines);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.width() <= 100 && line.starts_with("    word")), "{lines:?}");
        assert!(lines[1].ends_with('…'), "{lines:?}");
        // The last line is as wide as a line may be.
        for last in [95, 96] {
            lines.clear();
            wrap(100, &format!("{} next", "x".repeat(last)), 4, 1, &mut lines);
            let kept = "x".repeat(95);
            assert_eq!(lines, [format!("    {kept}…")], "{last}");
        }
        lines.clear();
        wrap(80, &"word ".repeat(60), 4, usize::MAX, &mut lines);
        assert!(lines.len() > 3 && lines.iter().all(|line| line.width() <= 80), "{lines:?}");
    }
}
