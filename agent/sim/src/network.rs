//! Links: each host's own, and those that the hosts of a rack share.

use std::time::Duration;

use murder_swarm::Time;

use crate::{Access, HostId, Scenario};

/// Every link, and when what was sent over it is through.
///
/// A host's uplink is used by one block after another, which [`Network::send`] leaves to its caller.
/// What has left it waits in the queues before the links that follow: that out of its host's rack,
/// that into its receiver's rack, and the receiver's downlink. Hosts of one rack meet within it.
///
/// What comes over a rack's link takes its place before the downlink only when it is there
/// ([`Network::enter`]): what was sent later by a way that is not so full goes before it.
#[derive(Debug)]
pub(crate) struct Network {
    /// How much may wait in a queue.
    window: Duration,
    ports: Vec<Port>,
    /// Of each host its downlink, and then of each rack its uplink and its downlink.
    queues: Vec<Queue>,
}

/// A queue before a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueId(u32);

/// A host's way into the network.
#[derive(Debug)]
struct Port {
    up: u64,
    delay: Duration,
    rack: Option<u32>,
    /// What its messages have taken of the uplink since the last block.
    talked: Duration,
}

#[derive(Debug)]
struct Queue {
    rate: u64,
    /// When all that was sent through it will be.
    through_by: Time,
    /// Bytes that were sent through it.
    carried: u64,
    /// Hosts that have to wait before they send more through it.
    waiters: Vec<HostId>,
}

/// When a block has left its host, and how far it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Journey {
    pub(crate) departs: Time,
    pub(crate) reaches: Reach,
}

/// How far something comes, and when it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Over the links of racks, and to the queue before the receiver's downlink.
    Downlink(Time),
    /// To its receiver.
    Receiver(Time),
}

/// What is too full to send more through, and when it will not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) queue: QueueId,
    pub(crate) until: Time,
}

impl Network {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut all = vec![scenario.access; scenario.peers as usize + 1];
        for (host, access) in &scenario.apart {
            all[host.index()] = *access;
        }
        all[HostId::SEEDER.index()] = scenario.seeder;
        let mut ports: Vec<_> = all.iter().map(Port::new).collect();
        let mut queues: Vec<_> = all.iter().map(|access| Queue::new(access.down)).collect();
        for (number, rack) in (0..).zip(&scenario.racks) {
            rack.hosts.iter().for_each(|host| ports[host.index()].rack = Some(number));
            queues.extend([Queue::new(rack.up), Queue::new(rack.down)]);
        }
        Self { window: scenario.queue, ports, queues }
    }

    /// What a byte takes from a host to the middle of the network, or back.
    pub(crate) fn delay_of(&self, host: HostId) -> Duration {
        self.ports[host.index()].delay
    }

    /// What a byte takes from one host to another.
    pub(crate) fn delay(&self, one: HostId, other: HostId) -> Duration {
        self.delay_of(one) + self.delay_of(other)
    }

    /// Sends a message, which does not wait for the block that is on its host's uplink, but takes
    /// its bytes of it.
    pub(crate) fn talk(&mut self, now: Time, from: HostId, to: HostId, bytes: u32) -> Reach {
        let port = &mut self.ports[from.index()];
        let takes = span(bytes, port.up);
        port.talked += takes;
        let comes = now + takes + self.delay(from, to);
        self.pass(comes, from, to, bytes)
    }

    /// Sends a block.
    pub(crate) fn send(&mut self, now: Time, from: HostId, to: HostId, bytes: u32) -> Journey {
        let port = &mut self.ports[from.index()];
        let departs = now + span(bytes, port.up) + std::mem::take(&mut port.talked);
        let comes = departs + self.delay(from, to);
        Journey { departs, reaches: self.pass(comes, from, to, bytes) }
    }

    /// Brings something that is before its receiver's downlink through it. Says when it arrives.
    pub(crate) fn enter(&mut self, now: Time, to: HostId, bytes: u32) -> Time {
        self.queues[to.index()].pass(now, bytes)
    }

    fn pass(&mut self, comes: Time, from: HostId, to: HostId, bytes: u32) -> Reach {
        let crossed = self.shared(from, to).fold(None, |before, queue| {
            let comes = before.unwrap_or(comes);
            Some(self.queues[queue.0 as usize].pass(comes, bytes))
        });
        match crossed {
            Some(at) => Reach::Downlink(at),
            None => Reach::Receiver(self.enter(comes, to, bytes)),
        }
    }

    /// The first queue on the way that is full, if one is.
    pub(crate) fn full(&self, now: Time, from: HostId, to: HostId) -> Option<Full> {
        let free = now + self.delay(from, to) + self.window;
        let mut way = self.shared(from, to).chain([QueueId(to.0)]);
        way.find_map(|queue| {
            let through_by = self.queues[queue.0 as usize].through_by;
            (through_by > free).then(|| Full { queue, until: now + (through_by - free) })
        })
    }

    /// A host waits for a queue. Says whether it is the first to do so.
    pub(crate) fn wait(&mut self, queue: QueueId, host: HostId) -> Waits {
        let waiters = &mut self.queues[queue.0 as usize].waiters;
        if waiters.contains(&host) {
            return Waits::Behind;
        }
        waiters.push(host);
        if waiters.len() == 1 { Waits::First } else { Waits::Behind }
    }

    /// Who waits for a queue, and need not any more.
    pub(crate) fn release(&mut self, queue: QueueId) -> Vec<HostId> {
        std::mem::take(&mut self.queues[queue.0 as usize].waiters)
    }

    /// Bytes that went into each rack.
    pub(crate) fn bytes_into_racks(&self) -> impl Iterator<Item = u64> {
        self.queues[self.ports.len()..].chunks(2).map(|links| links[1].carried)
    }

    /// The queues between two hosts before the last, in their order.
    fn shared(&self, from: HostId, to: HostId) -> impl Iterator<Item = QueueId> + use<> {
        let (out, into) = (self.ports[from.index()].rack, self.ports[to.index()].rack);
        let hosts = self.ports.len() as u32;
        let up = out.filter(|_| out != into).map(|rack| QueueId(hosts + 2 * rack));
        let down = into.filter(|_| out != into).map(|rack| QueueId(hosts + 2 * rack + 1));
        up.into_iter().chain(down)
    }
}

/// Whether somebody waits for the same already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    First,
    Behind,
}

impl Port {
    fn new(access: &Access) -> Self {
        Self { up: access.up, delay: access.delay, rack: None, talked: Duration::ZERO }
    }
}

impl Queue {
    fn new(rate: u64) -> Self {
        Self { rate, through_by: Time::ZERO, carried: 0, waiters: Vec::new() }
    }

    /// Lets something through whose last byte comes at a time. Says when that byte is through.
    fn pass(&mut self, comes: Time, bytes: u32) -> Time {
        self.through_by = comes.max(self.through_by + span(bytes, self.rate));
        self.carried += u64::from(bytes);
        self.through_by
    }
}

/// The time that bytes take at a rate.
fn span(bytes: u32, rate: u64) -> Duration {
    Duration::from_micros(u64::from(bytes) * 1_000_000 / rate.max(1))
}

#[cfg(test)]
mod tests {
    use murder_swarm::Lengths;

    use super::*;
    use crate::Rack;

    /// Hosts 1 and 2 are in a rack whose links have half the rate of their own.
    fn network() -> Network {
        let mut scenario = Scenario::new(1, 3, Lengths::new(1, 1).unwrap());
        let access = Access { up: 1_000_000, down: 1_000_000, delay: Duration::ZERO };
        (scenario.access, scenario.seeder) = (access, access);
        let hosts = vec![HostId(1), HostId(2)];
        scenario.racks = vec![Rack { hosts, up: 500_000, down: 500_000 }];
        Network::new(&scenario)
    }

    fn took(network: &mut Network, from: u32, to: u32) -> u64 {
        let journey = network.send(Time::ZERO, HostId(from), HostId(to), 10_000);
        assert_eq!(journey.departs, Time::from_micros(10_000));
        let at = match journey.reaches {
            Reach::Receiver(at) => at,
            Reach::Downlink(at) => network.enter(at, HostId(to), 10_000),
        };
        at.as_micros()
    }

    #[test]
    fn what_goes_into_a_rack_or_out_of_it_goes_over_the_link_that_its_hosts_share() {
        let mut network = network();
        assert_eq!(took(&mut network, 0, 1), 20_000);
        assert_eq!(took(&mut network, 3, 2), 40_000);
        assert_eq!(network.bytes_into_racks().collect::<Vec<_>>(), [20_000]);
        assert_eq!(took(&mut network, 1, 3), 20_000);
        assert_eq!(took(&mut network, 2, 0), 40_000);
    }

    #[test]
    fn what_stays_in_a_rack_or_outside_does_not() {
        let mut network = network();
        assert_eq!(took(&mut network, 1, 2), 10_000);
        assert_eq!(took(&mut network, 0, 3), 10_000);
    }

    #[test]
    fn a_message_waits_in_the_queues_on_its_way() {
        let mut network = network();
        took(&mut network, 0, 3);
        let mut talk = |from, to| network.talk(Time::ZERO, HostId(from), HostId(to), 100);
        assert_eq!(talk(0, 3), Reach::Receiver(Time::from_micros(10_100)));
        assert_eq!(talk(0, 1), Reach::Downlink(Time::from_micros(200)));
    }

    #[test]
    fn what_waits_for_a_racks_link_holds_nothing_up_before_the_downlink() {
        let mut network = network();
        let slow = network.send(Time::ZERO, HostId(1), HostId(3), 10_000).reaches;
        assert_eq!(slow, Reach::Downlink(Time::from_micros(20_000)));
        assert_eq!(took(&mut network, 0, 3), 10_000);
        assert_eq!(network.enter(Time::from_micros(20_000), HostId(3), 10_000).as_micros(), 20_000);
    }

    #[test]
    fn a_queue_is_full_for_those_whose_way_leads_through_it() {
        let mut network = network();
        for _ in 0..3 {
            took(&mut network, 0, 1);
        }
        let full = network.full(Time::ZERO, HostId(3), HostId(2)).unwrap();
        assert_eq!(full.until, Time::from_micros(30_000));
        assert_eq!(network.full(Time::ZERO, HostId(1), HostId(2)), None);
        assert_eq!(network.wait(full.queue, HostId(3)), Waits::First);
        assert_eq!(network.wait(full.queue, HostId(3)), Waits::Behind);
        assert_eq!(network.release(full.queue), [HostId(3)]);
    }
}
