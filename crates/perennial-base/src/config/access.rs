//! `[[server.access]]`: which connections may log in, and how who comes proves who they are.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::{Authentication, ServerConfig, Spot};

/// Leading bits of an IPv6 address that stands for one of IPv4, `::ffff:10.0.0.1`.
const MAPPED: u8 = 96;

/// `[[server.access]]`, as a line of Postgres' `pg_hba.conf`: of all rules the first that fits a connection counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    /// How the client comes.
    pub connection: ConnectionKind,
    /// From where; of the Unix socket [`Address::All`].
    pub address: Address,
    /// The roles it is for; `None` = all, and whoever says to be one.
    pub roles: Option<Vec<String>>,
    /// What is asked of the client.
    pub method: AccessMethod,
    /// Where it stands in the file; nowhere for one that [`Authentication`] stands for.
    pub at: Spot,
}

/// How a client comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionKind {
    /// `local`: by the Unix socket.
    Local,
    /// `host`: by TCP.
    Host,
    /// `hostssl`: by TCP, encrypted.
    HostSsl,
    /// `hostnossl`: by TCP, in the clear.
    HostNoSsl,
}

/// Where a client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// `all`: from anywhere.
    All,
    /// `samehost`: from this machine.
    SameHost,
    /// A network.
    Net(IpNet),
}

/// What is asked of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMethod {
    /// `trust`: nothing.
    Trust,
    /// `scram-sha-256`: the password.
    ScramSha256,
    /// `cert`: a certificate of one of `tls_client_ca`'s authorities whose common name is the role.
    Cert,
    /// `reject`: it is refused.
    Reject,
}

/// What is known of a client before it proves anything.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Its address; none by the Unix socket.
    pub address: Option<IpAddr>,
    /// The address is one of this machine.
    pub same_host: bool,
    /// It speaks TLS.
    pub encrypted: bool,
    /// The role that it says to be.
    pub user: &'a str,
}

/// A rule that no connection reaches, as another before it fits all that it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoveredRule {
    /// Its number, from 1.
    pub number: usize,
    /// Where it stands.
    pub at: Spot,
    /// The number of the other one.
    pub by: usize,
    /// The line of the other one.
    pub by_line: usize,
}

impl fmt::Display for CoveredRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            at,
            by,
            by_line,
        } = self;
        write!(
            f,
            "{at}: no connection reaches [[server.access]] number {number}, as number {by} in line {by_line} fits all of them: \
             put it before that one, or take it out"
        )
    }
}

impl AccessRule {
    /// Whether it is for this client.
    pub fn fits(&self, caller: Caller<'_>) -> bool {
        let kind = match self.connection {
            ConnectionKind::Local => caller.address.is_none(),
            ConnectionKind::Host => caller.address.is_some(),
            ConnectionKind::HostSsl => caller.address.is_some() && caller.encrypted,
            ConnectionKind::HostNoSsl => caller.address.is_some() && !caller.encrypted,
        };
        let from = match (self.address, caller.address) {
            (Address::All, _) => true,
            (Address::SameHost, _) => caller.same_host,
            (Address::Net(net), Some(address)) => net.contains(&address.to_canonical()),
            (Address::Net(_), None) => false,
        };
        let named = |roles: &Vec<String>| roles.iter().any(|role| role == caller.user);
        kind && from && self.roles.as_ref().is_none_or(named)
    }

    /// Whether it lets in clients of other machines who prove nothing.
    pub fn trusts_strangers(&self) -> bool {
        self.method == AccessMethod::Trust
            && self.connection != ConnectionKind::Local
            && !self.address.own_machine()
    }

    /// Whether it fits everything that `other` fits.
    fn covers(&self, other: &Self) -> bool {
        let kind = self.connection == other.connection
            || self.connection == ConnectionKind::Host && other.connection != ConnectionKind::Local;
        let roles = match (&self.roles, &other.roles) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(roles), Some(others)) => others.iter().all(|role| roles.contains(role)),
        };
        kind && roles && self.address.covers(other.address)
    }
}

impl Address {
    /// Reads `all`, `samehost`, a network as `10.0.0.0/8`, or one address; bits behind the network's do not count.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            "samehost" => Some(Self::SameHost),
            _ => {
                let net = text.parse::<IpNet>();
                let net = net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
                net.ok().map(|net| Self::Net(canonical(net.trunc())))
            }
        }
    }

    /// Whether all of it is this machine.
    pub fn own_machine(self) -> bool {
        match self {
            Self::All => false,
            Self::SameHost => true,
            // The loopback is what lies in 127.0.0.0/8, or ::1.
            Self::Net(net) => net.network().is_loopback() && net.broadcast().is_loopback(),
        }
    }

    fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::All, _) | (Self::SameHost, Self::SameHost) => true,
            (Self::SameHost, Self::Net(_)) => other.own_machine(),
            (Self::Net(net), Self::Net(other)) => net.contains(&other),
            (Self::SameHost | Self::Net(_), Self::All) | (Self::Net(_), Self::SameHost) => false,
        }
    }
}

impl Authentication {
    /// The rules that it stands for.
    fn rules(self) -> Vec<AccessRule> {
        let rule = |connection, method| AccessRule {
            connection,
            address: Address::All,
            roles: None,
            method,
            at: Spot::default(),
        };
        let by_tcp = |method| {
            vec![
                rule(ConnectionKind::Local, method),
                rule(ConnectionKind::Host, method),
            ]
        };
        match self {
            Self::Trust => by_tcp(AccessMethod::Trust),
            Self::ScramSha256 => by_tcp(AccessMethod::ScramSha256),
            Self::LocalUser => vec![rule(ConnectionKind::Local, AccessMethod::Trust)],
        }
    }
}

impl ServerConfig {
    /// The rules by which clients log in: those of the file, otherwise those that `authentication` stands for.
    pub fn rules(&self) -> Vec<AccessRule> {
        if self.access.is_empty() {
            self.authentication.rules()
        } else {
            self.access.clone()
        }
    }

    /// Rules of the file that no connection reaches.
    pub fn covered_rules(&self) -> Vec<CoveredRule> {
        let covered = |(index, rule): (usize, &AccessRule)| {
            let before = self.access.get(..index)?;
            let by = before.iter().position(|earlier| earlier.covers(rule))?;
            Some(CoveredRule {
                number: index + 1,
                at: rule.at,
                by: by + 1,
                by_line: before.get(by)?.at.line,
            })
        };
        self.access.iter().enumerate().filter_map(covered).collect()
    }
}

/// A network of IPv4 where one is written in the form of IPv6, as clients' addresses are.
fn canonical(net: IpNet) -> IpNet {
    let mapped = |address: Ipv6Addr, length: u8| {
        let length = length.checked_sub(MAPPED)?;
        Ipv4Net::new(address.to_ipv4_mapped()?, length).ok()
    };
    match net {
        IpNet::V6(six) => mapped(six.network(), six.prefix_len()).map_or(net, IpNet::V4),
        IpNet::V4(_) => net,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn rule(connection: ConnectionKind, from: &str, roles: &[&str]) -> AccessRule {
        AccessRule {
            connection,
            address: address(from),
            roles: (!roles.is_empty()).then(|| roles.iter().map(|&role| role.to_owned()).collect()),
            method: AccessMethod::ScramSha256,
            at: Spot::default(),
        }
    }

    #[test]
    fn a_rule_fits_by_network_whatever_form_an_address_has() {
        for (from, caller, fits) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            // As Postgres, which takes the bits of the network alone.
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.1.2.3", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("all", "2001:db8:1::1", true),
            ("samehost", "10.1.2.3", false),
        ] {
            let caller = Caller {
                address: Some(caller.parse().unwrap()),
                same_host: false,
                encrypted: false,
                user: "ann",
            };
            let rule = rule(ConnectionKind::Host, from, &[]);
            assert_eq!(rule.fits(caller), fits, "{from} {caller:?}");
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "example.com",
            "ALL",
            "10.0.0.0 255.0.0.0",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn this_machine_is_the_loopback_and_itself() {
        for (text, own) in [
            ("127.0.0.0/8", true),
            ("127.0.0.1/32", true),
            ("126.0.0.0/7", false),
            ("0.0.0.0/0", false),
            ("::1", true),
            ("::/0", false),
            ("::ffff:127.0.0.1/128", true),
            ("samehost", true),
            ("all", false),
        ] {
            assert_eq!(address(text).own_machine(), own, "{text}");
        }
    }

    #[test]
    fn a_rule_is_covered_by_one_that_fits_all_that_it_fits() {
        use ConnectionKind::{Host, HostNoSsl, HostSsl, Local};
        for (earlier, later, covered) in [
            (
                rule(Host, "all", &[]),
                rule(HostSsl, "10.0.0.0/8", &["ann"]),
                true,
            ),
            (rule(Host, "all", &[]), rule(Local, "all", &[]), false),
            (rule(HostSsl, "all", &[]), rule(Host, "all", &[]), false),
            (rule(HostSsl, "all", &[]), rule(HostNoSsl, "all", &[]), false),
            (
                rule(Host, "10.0.0.0/8", &[]),
                rule(Host, "10.1.0.0/16", &[]),
                true,
            ),
            (
                rule(Host, "10.1.0.0/16", &[]),
                rule(Host, "10.0.0.0/8", &[]),
                false,
            ),
            (rule(Host, "0.0.0.0/0", &[]), rule(Host, "all", &[]), false),
            (rule(Host, "0.0.0.0/0", &[]), rule(Host, "::1/128", &[]), false),
            (rule(Host, "samehost", &[]), rule(Host, "127.0.0.1", &[]), true),
            (rule(Host, "127.0.0.0/8", &[]), rule(Host, "samehost", &[]), false),
            (
                rule(Host, "all", &["ann", "bob"]),
                rule(Host, "all", &["bob"]),
                true,
            ),
            (
                rule(Host, "all", &["ann"]),
                rule(Host, "all", &["ann", "bob"]),
                false,
            ),
            (rule(Host, "all", &["ann"]), rule(Host, "all", &[]), false),
        ] {
            assert_eq!(earlier.covers(&later), covered, "{earlier:?} {later:?}");
        }
    }
}
