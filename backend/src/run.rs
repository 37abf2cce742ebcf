// SPDX-License-Identifier: MIT OR Apache-2.0
//! The main thread: sets everything up, then watches signals, leases, interfaces and the clock
//! while the queue threads move frames, and ends them together.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use xsk_client::News;
use xsk_client::proto::{EventKind, exit};
use xsk_command::say;

use crate::cli::Cli;
use crate::control::Control;
use crate::cpus::while_on;
use crate::error::{self, Error, OTHER, PROGRAM};
use crate::held_lease::HeldLease;
use crate::life::Life;
use crate::lockdown;
use crate::lost::Lost;
use crate::netdev_file;
use crate::peer_spec::PeerSpec;
use crate::peers::vhost::{Service, Watchdog};
use crate::queue::Queue;
use crate::report::Report;
use crate::setup::{self, Parts};
use crate::signals::{Arrived, Signals};
use crate::source::{self, Taken};

/// How often the interfaces are looked at: the kernel tells of a removed one by no event.
const LOOK: Duration = Duration::from_millis(250);

/// How long the end waits for threads.
const HELD_UP: Duration = Duration::from_secs(10);

type Worker = JoinHandle<Result<(), Error>>;

/// Runs the command until it is over.
///
/// # Errors
/// Why it could not begin, or ended other than by request.
pub(crate) fn run(cli: &Cli) -> Result<(), Error> {
    let Taken { netdevs, peer, mut life } =
        source::read(&netdev_file::texts(cli)?, cli.peer.inherited(), cli.life.inherited())?;
    cli.life.open_log()?;
    let patience = cli.helper.wait.begin(PROGRAM);
    let mut settled = vec![];
    for (netdev, inherited) in netdevs {
        settled.push((patience.settle(netdev)?.options().clone(), inherited));
    }
    let counts: Vec<_> = settled.iter().map(|(options, _)| options.queues).collect();
    setup::check(cli, &counts)?;
    let mut ports = vec![];
    for (options, inherited) in settled {
        ports.push(source::open(&options, inherited, cli, &patience)?);
    }
    // A signal that comes while something is waited for ends the process as any other.
    let signals = Signals::listen()?;
    let control = Arc::new(Control::new(cli.count)?);
    let Parts { queues, rows, service } = setup::queues(cli, &mut ports, peer, &control)?;
    let report = Report::new(rows, cli.json);
    let leases = ports.into_iter().filter_map(|port| port.lease).collect();
    let watchdog = service.as_ref().map(Service::watchdog);
    let workers = start(queues, service, &control)?;
    report.ready(cli.peer.name());
    life.is_ready();
    let mut watch = Watch {
        control,
        signals,
        leases,
        life,
        report,
        lost: Lost::default(),
        workers,
        watchdog,
        start: Instant::now(),
        printed: 0,
    };
    let outcome = watch.until_the_end(cli);
    let stopped = watch.stop();
    let reason = match (&outcome, &stopped) {
        (_, Err(error)) | (Err(error), _) => error.to_string(),
        (Ok(reason), _) => (*reason).to_owned(),
    };
    watch.report.end(&reason);
    stopped.and(outcome.map(|_| ()))
}

fn start(
    queues: Vec<Queue>,
    service: Option<Service>,
    control: &Arc<Control>,
) -> Result<Vec<Worker>, Error> {
    if service.is_some() {
        lockdown::before_threads()?;
    }
    let mut workers = vec![];
    for queue in queues {
        // The kernel keeps 15 bytes of a thread's name.
        let name = queue.name.replace(" queue ", ":");
        workers.push(while_on(queue.cpu, || spawn(name, control, || queue.run()))?);
    }
    if let Some(service) = service {
        workers.push(start_service(service, control)?);
    }
    Ok(workers)
}

/// Starts the service, whose first message comes after the process has given up what it does not
/// need.
fn start_service(mut service: Service, control: &Arc<Control>) -> Result<Worker, Error> {
    let closing = service.closing();
    // Nobody waits for its end.
    let _ = spawn("vhost-close".into(), control, move || {
        closing();
        Ok(())
    })?;
    let (go, gone) = channel();
    let role = service.role();
    let worker = spawn("vhost-user".into(), control, move || match gone.recv() {
        Ok(()) => service.run(),
        Err(_) => Ok(()),
    })?;
    lockdown::with_threads(role)?;
    // The thread waits for nothing else.
    let _ = go.send(());
    Ok(worker)
}

/// Starts a thread, and returns once it runs: until then it makes system calls that it never needs
/// again.
fn spawn(
    name: String,
    control: &Arc<Control>,
    work: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Result<Worker, Error> {
    let control = Arc::clone(control);
    let (start, started) = channel();
    let worker = std::thread::Builder::new().name(name.clone()).spawn(move || {
        // It is waited for below.
        let _ = start.send(());
        let result = work();
        if result.is_err() {
            control.stop();
        }
        control.tell_main();
        result
    });
    let worker = worker.map_err(|error| error::io(&name, "start a thread", error))?;
    // An error is a thread that has ended by now, which its handle tells.
    let _ = started.recv();
    Ok(worker)
}

/// All that the main thread looks at.
struct Watch {
    control: Arc<Control>,
    signals: Signals,
    leases: Vec<HeldLease>,
    life: Life,
    report: Report,
    lost: Lost,
    workers: Vec<Worker>,
    watchdog: Option<Watchdog>,
    start: Instant,
    printed: u32,
}

impl Watch {
    /// Returns why it is over.
    fn until_the_end(&mut self, cli: &Cli) -> Result<&'static str, Error> {
        loop {
            match self.signals.arrived() {
                Some(Arrived::End(signal)) => return Ok(signal),
                Some(Arrived::Statistics) => self.report.statistics(),
                None => {}
            }
            self.control.drain_main_event();
            if self.is_done(&cli.peer) || self.control.stopped() {
                return Ok(if self.control.stopped() {
                    "--count reached"
                } else {
                    "the peer is done"
                });
            }
            self.look_at_interfaces()?;
            self.watchdog.iter_mut().for_each(Watchdog::look);
            self.look_at_leases()?;
            if self.life.is_over() {
                return Ok("it is not needed any more");
            }
            let left = match cli.seconds.map(|seconds| seconds - self.start.elapsed().as_secs_f64())
            {
                Some(left) if left <= 0.0 => return Ok("--seconds are over"),
                left => left,
            };
            let next = cli.stats.map(|every| self.print_when_due(every));
            self.sleep([left, next])?;
        }
    }

    /// Each queue generates its share, and has enough by itself; any other peer is done in all
    /// queues at once.
    fn is_done(&self, peer: &PeerSpec) -> bool {
        let mut ended = self.workers.iter().map(JoinHandle::is_finished);
        if matches!(peer, PeerSpec::Generate(_)) {
            ended.all(|done| done)
        } else {
            ended.any(|done| done)
        }
    }

    fn look_at_interfaces(&mut self) -> Result<(), Error> {
        for row in self.report.rows() {
            row.monitor.check().map_err(|error| error::socket(&row.ifname, &error))?;
        }
        self.lost.look(self.report.rows());
        Ok(())
    }

    /// A keeper that is gone without a word was killed: the socket is still in the map and goes on.
    /// News that mean the end of the lease end us.
    fn look_at_leases(&mut self) -> Result<(), Error> {
        let mut at = 0;
        while let Some(lease) = self.leases.get(at) {
            let ifname = &lease.ifname;
            match lease.news() {
                Ok(News::Nothing) => at += 1,
                Ok(News::Event(event)) => tell(ifname, event.kind, &event.text)?,
                Ok(News::Ended) => {
                    say(
                        PROGRAM,
                        &format!("{ifname}: the lease's keeper is gone; going on without it"),
                    );
                    self.leases.remove(at);
                }
                Err(error) => {
                    say(PROGRAM, &format!("{ifname}: {error}; going on without news of the lease"));
                    self.leases.remove(at);
                }
            }
        }
        Ok(())
    }

    /// Prints the statistics when `every` seconds are over, and says how long until the next time.
    fn print_when_due(&mut self, every: f64) -> f64 {
        let elapsed = self.start.elapsed().as_secs_f64();
        if elapsed >= every * f64::from(self.printed + 1) {
            self.printed = (elapsed / every) as u32;
            self.report.statistics();
        }
        every * f64::from(self.printed + 1) - elapsed
    }

    fn sleep(&self, limits: [Option<f64>; 2]) -> Result<(), Error> {
        let limit = limits.into_iter().flatten().fold(LOOK.as_secs_f64(), f64::min);
        let limit = Duration::try_from_secs_f64(limit).unwrap_or(Duration::ZERO);
        let limit = Timespec::try_from(limit).ok();
        let leases = self.leases.iter().map(AsFd::as_fd);
        let all = self.signals.descriptors().chain(leases).chain([self.control.main_event()]);
        let mut fds: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        fds.extend(
            self.life.descriptor().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty())),
        );
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(error::io("", "poll", errno)),
        }
    }

    /// Ends the queue threads and gives the first error of any of them.
    fn stop(&mut self) -> Result<(), Error> {
        self.control.stop();
        let mut first = self.let_go();
        // One that cannot be let go ends with the process.
        for worker in self.workers.drain(..).filter(JoinHandle::is_finished) {
            let result = worker
                .join()
                .unwrap_or_else(|_| Err(Error::new(OTHER, "bug", "", "a thread panicked")));
            first = first.and(result);
        }
        first
    }

    /// Waits for the threads, and lets those go that the front end holds up.
    fn let_go(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        while !self.workers.iter().all(JoinHandle::is_finished) {
            if start.elapsed() > HELD_UP {
                return Err(Error::new(
                    OTHER,
                    "held-up",
                    "",
                    "a thread is held up, and ends with the process",
                ));
            }
            self.watchdog.iter_mut().for_each(Watchdog::look);
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

fn tell(ifname: &str, kind: EventKind, text: &str) -> Result<(), Error> {
    let over = |exit, code| {
        Err(Error::new(exit, code, ifname, format!("{ifname}: the lease is over: {text}")))
    };
    match kind {
        EventKind::Revoked => over(exit::DENIED, "revoked"),
        EventKind::InterfaceGone | EventKind::InterfaceMoved => over(OTHER, "interface-gone"),
        _ => {
            say(PROGRAM, &format!("{ifname}: {text}"));
            Ok(())
        }
    }
}
