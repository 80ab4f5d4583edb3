use oar_core::flow::outcome::{Check, Verdict};

use crate::TextStyle;

/// Checks for people: a line each with its mark, and a line with the next step where there is one.
pub fn checks(checks: &[Check]) -> Vec<String> {
    let mut lines = Vec::new();
    for check in checks {
        let (mark, tone) = match check.verdict {
            Verdict::Ok => ("ok", TextStyle::Good),
            Verdict::Blocked => ("blocked", TextStyle::Bad),
            Verdict::Unknown => ("unknown", TextStyle::Attention),
        };
        lines.push(format!("  {} {}", tone.paint(format!("{mark:<8}")), check.text));
        lines.extend(check.next.iter().map(|next| format!("{:11}next: {next}", "")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_has_its_mark_and_its_next_step_below_it() {
        let bad = Check {
            verdict: Verdict::Blocked,
            text: "stage-testing is Fail, and must be Pass".to_owned(),
            next: Some("oar -r 4.19.1 stage-testing".to_owned()),
        };
        let text = checks(&[Check::ok("no blocker is open"), bad]).join("\n");
        assert_eq!(
            crate::plain(&text),
            "  ok       no blocker is open\n  blocked  stage-testing is Fail, and must be Pass\n           \
             next: oar -r 4.19.1 stage-testing"
        );
    }
}
