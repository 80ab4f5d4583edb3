use oar_core::flow::outcome::{Check, Step, Verdict};

use crate::TextStyle;

/// Checks as text: a line each with its mark, and a line with the hint if there is one.
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

/// The changes of a plan as text: a numbered line each, followed by its details.
pub fn steps(steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        lines.push(format!("{:>3}. {step}", index + 1));
        lines.extend(step.with.iter().map(|detail| format!("{:5}with {detail}", "")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_is_done_with_stands_below_it_and_is_no_step_of_its_own() {
        let start = Step::new("start", "the job").with(["VERSION: 4.19".to_owned()]);
        let text = steps(&[start, Step::new("check", "the images")]).join("\n");
        assert_eq!(text, "  1. start the job\n     with VERSION: 4.19\n  2. check the images");
    }

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
