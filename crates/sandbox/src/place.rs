//! Where a sandbox listens, and which sandbox is meant by an address.
//!
//! Another sandbox may have taken the port since a program was told where to go. So each has an address of its own in the
//! machine's own network (127.0.0.0/8), with which everything begins that it gives out: whoever was told of one that has
//! ended meets nobody. It listens at 127.0.0.1 as well, for people who type.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

/// The sockets of one sandbox.
#[derive(Debug)]
pub(crate) struct Place {
    /// The address that it gives out.
    pub(crate) address: SocketAddr,
    /// What it accepts from.
    pub(crate) listeners: Vec<TcpListener>,
}

impl Place {
    /// Listens at `port`; 0 takes a free one.
    pub(crate) fn take(port: u16) -> io::Result<Self> {
        let common = listener(Ipv4Addr::LOCALHOST, port)?;
        let address = common.local_addr()?;
        // Where a machine has no other address of its own than 127.0.0.1, that one has to do.
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

/// An address that no other sandbox has, in all likelihood: one of some 16 million.
fn own_address() -> Ipv4Addr {
    let [a, b, c, ..] = *uuid::Uuid::new_v4().as_bytes();
    // Neither 127.0.0.1 nor an end of the network.
    Ipv4Addr::new(127, a.clamp(1, 254), b, c.clamp(1, 254))
}
