//! Which process is at a task, or about to start a job, and whether it still lives.
//!
//! The text holds no host's name: state files are public.

use sha1::{Digest, Sha1};

/// This process: `<where>.<process id>.<its start>`; `None` if the system does not provide it.
pub fn current() -> Option<String> {
    let id = std::process::id();
    Some(format!("{}.{id}.{}", place()?, started(id)?))
}

/// Whether the process `holder` has ended; `None` when that cannot be seen from here.
pub fn has_ended(holder: &str) -> Option<bool> {
    let mut parts = holder.split('.');
    let (there, id, start) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || there != place()? {
        return None;
    }
    let id: u32 = id.parse().ok()?;
    // Another process may have the number by now; it was not started at the same tick.
    Some(started(id).as_deref() != Some(start))
}

/// Whether a process of this number lives here.
pub fn is_alive(id: u32) -> bool {
    started(id).is_some()
}

/// A mark of this boot of this machine, and of the numbering of its processes.
fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let numbering = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let mut hash = Sha1::new();
    hash.update(boot.trim().as_bytes());
    hash.update(numbering.as_os_str().as_encoded_bytes());
    let digest = hash.finalize();
    let mark = digest.iter().take(5).fold(0u64, |mark, byte| mark << 8 | u64::from(*byte));
    Some(format!("{mark:010x}"))
}

/// When a process was started, in ticks since the boot; `None` when there is none.
fn started(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold anything; the start is the twentieth field after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    // A dead process that nobody has waited for acts no more.
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_to_live_or_to_have_ended_or_cannot_be_seen() {
        let own = current().unwrap();
        assert_eq!(has_ended(&own), Some(false));
        let (place, _) = own.split_once('.').unwrap();
        assert_eq!(has_ended(&format!("{place}.{}.1", std::process::id())), Some(true));
        assert_eq!(has_ended(&format!("{place}.4194999.1")), Some(true));
        assert_eq!(has_ended("elsewhere.1.1"), None);
        assert_eq!(has_ended("damaged"), None);
    }
}
