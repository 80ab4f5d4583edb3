//! What a service manager is told: that the agent is ready, how it goes, that it lives, that it stops (spec 05 §10).
//!
//! The protocol is one datagram for a message. It is spoken here and not by the crate `sd-notify`, which reads the
//! environment of the process itself and knows no abstract sockets.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use oar_core::config::Environment;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// How long it waits for a sign of life before it restarts the agent.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names. Without one, or with one that cannot be reached, nobody is told.
    pub(crate) fn of(environment: &Environment) -> Self {
        let watchdog = environment.get("WATCHDOG_USEC").and_then(|text| text.trim().parse().ok());
        let ours = environment
            .get("WATCHDOG_PID")
            .is_none_or(|text| text.trim().parse::<u32>().is_ok_and(|pid| pid == std::process::id()));
        Self {
            socket: environment.get("NOTIFY_SOCKET").and_then(connected),
            watchdog: watchdog.filter(|micros| ours && *micros > 0).map(Duration::from_micros),
        }
    }

    /// How long it waits for a sign of life before it restarts the agent.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// How often it is to be told that the agent lives.
    pub(crate) fn sign_of_life_every(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    /// The agent can do its work.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// How it goes, in a line.
    pub(crate) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={}", line(status)));
    }

    /// The agent lives.
    pub(crate) fn lives(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The agent stops.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message.as_bytes())
        {
            tracing::debug!("the service manager is not told: {error}");
        }
    }
}

fn line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect()
}

/// A socket to the address: a path, or a name in the abstract namespace after `@`. Others, such as `vsock:`, are left alone.
fn connected(address: &str) -> Option<UnixDatagram> {
    let address = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name).ok()?,
        None if address.starts_with('/') => SocketAddr::from_pathname(OsStr::new(address)).ok()?,
        None => return None,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect_addr(&address).ok()?;
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(pairs: &[(&str, &str)]) -> ServiceManager {
        ServiceManager::of(&Environment::from_pairs(pairs.iter().copied()))
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn it_is_told_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("agent-test-{}", std::process::id());
        for (address, socket) in [
            (path.to_str().unwrap().to_owned(), UnixDatagram::bind(&path).unwrap()),
            (
                format!("@{name}"),
                UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
            ),
        ] {
            let manager = manager(&[("NOTIFY_SOCKET", &address)]);
            manager.ready("stands by\nfor now");
            manager.lives();
            manager.stopping();
            assert_eq!(received(&socket), "READY=1\nSTATUS=stands by for now");
            assert_eq!(received(&socket), "WATCHDOG=1");
            assert_eq!(received(&socket), "STOPPING=1");
        }
    }

    #[test]
    fn without_one_or_with_one_that_is_not_there_nothing_happens() {
        for address in ["", "vsock:2:1234", "/no/such/socket", "relative", "@no-such-name-here"] {
            manager(&[("NOTIFY_SOCKET", address)]).ready("x");
        }
        manager(&[]).stopping();
    }

    #[test]
    fn a_watchdog_counts_only_when_it_is_ours() {
        let own = std::process::id().to_string();
        for (pairs, expected) in [
            (vec![("WATCHDOG_USEC", "40000000")], Some(20)),
            (vec![("WATCHDOG_USEC", "40000000"), ("WATCHDOG_PID", own.as_str())], Some(20)),
            (vec![("WATCHDOG_USEC", "40000000"), ("WATCHDOG_PID", "1")], None),
            (vec![("WATCHDOG_USEC", "0")], None),
            (vec![("WATCHDOG_USEC", "soon")], None),
            (vec![], None),
        ] {
            let found = manager(&pairs).sign_of_life_every().map(|every| every.as_secs());
            assert_eq!(found, expected, "{pairs:?}");
        }
    }
}
