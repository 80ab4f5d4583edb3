//! The addresses of a sandbox.
//!
//! Another sandbox may use the port later. So each sandbox has its own loopback address (in 127.0.0.0/8),
//! which is in all URLs that it returns: a program with the address of an ended sandbox finds no server. It
//! also listens on 127.0.0.1, for manual use.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

/// The sockets of one sandbox.
#[derive(Debug)]
pub(crate) struct Place {
    /// The address in its URLs.
    pub(crate) address: SocketAddr,
    /// The listening sockets.
    pub(crate) listeners: Vec<TcpListener>,
}

impl Place {
    /// Listens at `port`; 0 takes a free one.
    pub(crate) fn take(port: u16) -> io::Result<Self> {
        let common = listener(Ipv4Addr::LOCALHOST, port)?;
        let address = common.local_addr()?;
        // If a machine has no other loopback address than 127.0.0.1, that one is used.
        match listener(own_address(), address.port()) {
            Ok(own) => Ok(Self { address: own.local_addr()?, listeners: vec![own, common] }),
            Err(_) => Ok(Self { address, listeners: vec![common] }),
        }
    }
}

fn listener(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((address, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A random address, one of about 16 million, so that sandboxes do not share one.
fn own_address() -> Ipv4Addr {
    let [a, b, c, ..] = *uuid::Uuid::new_v4().as_bytes();
    // Neither 127.0.0.1 nor an end of the network.
    Ipv4Addr::new(127, a.clamp(1, 254), b, c.clamp(1, 254))
}
