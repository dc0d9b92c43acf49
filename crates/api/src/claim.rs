//! An address that nobody else gets, long before anybody is answered there.

use std::{io, net::SocketAddr, net::TcpListener, time::Duration};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted; the system may hold it lower.
const BACKLOG: i32 = 2048;

/// An address that is claimed and not listened on yet: until then whoever connects is refused, as
/// if there were no server. So a busy port is noticed before a database is opened, and whoever
/// waits for the port to answer does not take a server that still starts for one that serves.
#[derive(Debug)]
pub struct Claim(Socket);

impl Claim {
    /// Claims `address`; with port 0, a port that the system chooses.
    ///
    /// # Errors
    /// The system's: [`io::ErrorKind::AddrInUse`] where somebody listens,
    /// [`io::ErrorKind::AddrNotAvailable`] for an address that this machine does not have.
    pub fn of(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // Else a restart would have to wait until the system forgets the connections of before.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        Ok(Self(socket))
    }

    /// Of two who claimed the same address before either listened, the second finds it busy here.
    /// Connections end by themselves when a client takes nothing of what it is sent for so long, which
    /// no other layer sees; elsewhere than on Linux there is nothing like it.
    pub(crate) fn listen(self, send_timeout: Duration) -> io::Result<TcpListener> {
        #[cfg(target_os = "linux")]
        self.0.set_tcp_user_timeout(Some(send_timeout))?;
        #[cfg(not(target_os = "linux"))]
        let _ = send_timeout;
        self.0.listen(BACKLOG)?;
        Ok(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

    use super::*;

    #[test]
    fn who_connects_is_refused_until_somebody_listens() {
        for any_port in [
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        ] {
            let claim = Claim::of(any_port).unwrap();
            let address = claim.0.local_addr().unwrap().as_socket().unwrap();
            let refused = TcpStream::connect(address).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let listener = claim.listen(Duration::from_secs(60)).unwrap();
            TcpStream::connect(address).unwrap();
            let busy = Claim::of(address).unwrap_err();
            assert_eq!(busy.kind(), io::ErrorKind::AddrInUse);
            drop(listener);
        }
    }

    #[test]
    fn of_two_who_claimed_one_address_one_listens() {
        let first = Claim::of(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = first.0.local_addr().unwrap().as_socket().unwrap();
        let second = Claim::of(address).unwrap();
        let _listener = first.listen(Duration::from_secs(60)).unwrap();
        let busy = second.listen(Duration::from_secs(60)).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::AddrInUse);
    }
}
