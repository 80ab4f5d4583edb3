//! Where time went, as text: a bar for each share.

use oar_core::clock::duration_words;
use oar_core::statebox::{Share, Total};

use crate::TextStyle;

/// The width of a bar that is the whole, in columns.
const WIDTH: usize = 40;

/// A line for each share: its words, its part of the whole, its bar.
pub fn shares(totals: &[Total]) -> Vec<String> {
    let whole: i64 = totals.iter().map(|total| total.seconds).sum();
    let words = Share::ALL.iter().map(|share| share.text().len()).max().unwrap_or(0);
    totals
        .iter()
        .map(|total| {
            let bar = TextStyle::Strong.paint("#".repeat(columns(total.seconds, whole)));
            let percent = if whole == 0 { 0 } else { (total.seconds * 100 + whole / 2) / whole };
            format!(
                "  {:<words$}  {:>12}  {percent:>3} %  {bar}",
                total.share.text(),
                duration_words(total.seconds)
            )
            .trim_end()
            .to_owned()
        })
        .collect()
}

/// How many columns a part of the whole has: at least one, unless it is nothing.
fn columns(part: i64, whole: i64) -> usize {
    let (Ok(part), Ok(whole)) = (u128::try_from(part), u128::try_from(whole)) else { return 0 };
    if part == 0 || whole == 0 {
        return 0;
    }
    let columns = (part * WIDTH as u128).div_ceil(whole);
    usize::try_from(columns).unwrap_or(WIDTH).min(WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part_and_never_vanishes() {
        assert_eq!(columns(0, 100), 0);
        assert_eq!(columns(1, 1_000_000), 1);
        assert_eq!(columns(50, 100), 20);
        assert_eq!(columns(100, 100), 40);
        assert_eq!(columns(0, 0), 0);
    }

    #[test]
    fn each_share_has_a_line() {
        let total = |share, seconds| Total { share, seconds };
        let totals = [total(Share::Tools, 3600), total(Share::Nobody, 3 * 3600)];
        let text = crate::plain(&shares(&totals).join("\n"));
        assert_eq!(
            text,
            "  our tools                1 h 0 min   25 %  ##########\n  nobody looking           3 h 0 min   75 %  \
             ##############################"
        );
    }
}
