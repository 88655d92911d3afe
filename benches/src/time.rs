//! `time`: how long one plugin takes for a request.

use std::error::Error;
use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nbdkit_script_test::bare::{Connection, Locks, Plugin, SharedConnection, ThreadModel};

use crate::arguments::{Options, Variant};
use crate::operation::{Operation, Sender};

/// What `time` prints the result as, and `compare` looks for.
pub const RESULT: &str = "ns_per_call=";

/// Runs the measurement and prints it as `key=value` lines.
pub fn run(options: &Options, variant: &Variant) -> Result<(), Box<dyn Error>> {
    let plugin = Plugin::load(&variant.plugin, &variant.parameters)?;
    let elapsed = if options.threads == 1 && !options.locks {
        one_thread(&plugin, options)?
    } else {
        many_threads(&plugin, options)?
    };
    println!("name={}", plugin.name());
    println!("version={}", plugin.about().version.unwrap_or_default());
    println!("api_version={}", plugin.api_version());
    println!("thread_model={}", plugin.thread_model_name());
    println!("operation={}", options.operation);
    println!("size={}", options.size);
    println!("threads={}", options.threads);
    println!("connections={}", options.connections());
    println!("calls={}", options.count);
    println!("{RESULT}{:.3}", elapsed.as_nanos() as f64 / options.count as f64);
    Ok(())
}

/// The size of the disk, if the plugin offers the operation.
fn look(plugin: &Plugin, connection: &Connection<'_>, operation: Operation) -> Result<u64, String> {
    if operation.is_offered(connection) {
        Ok(connection.offers.size)
    } else {
        Err(format!("{} does not offer {operation}", plugin.name()))
    }
}

/// nbdkit's locks are left out: nobody would wait for them.
fn one_thread(plugin: &Plugin, options: &Options) -> Result<Duration, Box<dyn Error>> {
    let connection = plugin.connect()?;
    let size = look(plugin, &connection, options.operation)?;
    let mut sender = Sender::new(options.size, size)?;
    sender.send(&connection, options.operation, options.warm_up_for(options.count))?;
    let start = Instant::now();
    sender.send(&connection, options.operation, options.count)?;
    Ok(start.elapsed())
}

/// The time from the first request of any thread to the last one of all. Where only one connection
/// may be open at a time, as much for each, one after the other.
fn many_threads(plugin: &Plugin, options: &Options) -> Result<Duration, Box<dyn Error>> {
    let locks = Locks::new(plugin);
    let connections = options.connections();
    let at_once = match plugin.thread_model() {
        ThreadModel::SerializeConnections => 1,
        _ => connections,
    };
    let shares: Vec<_> =
        (0..options.threads).map(|thread| share(options.count, options.threads, thread)).collect();
    let mut elapsed = Duration::ZERO;
    for first in (0..connections).step_by(at_once) {
        let mut open = Vec::new();
        for _ in 0..at_once {
            open.push(locks.connect(plugin)?);
        }
        let mut work = Vec::new();
        for (thread, count) in shares.iter().enumerate() {
            // The connections that are not open now have their turn before or after.
            let place = (thread % connections).checked_sub(first);
            if let Some(connection) = place.and_then(|place| open.get(place)) {
                let size = connection.with(|c| look(plugin, c, options.operation))?;
                work.push((connection, Sender::new(options.size, size)?, *count));
            }
        }
        elapsed += together(work, options)?;
    }
    Ok(elapsed)
}

/// The part of `total` that falls to one of `among`.
fn share(total: u64, among: usize, which: usize) -> u64 {
    let among = among as u64;
    total / among + u64::from((which as u64) < total % among)
}

/// Runs each on a thread of its own; they wait for each other before what is measured.
fn together(
    work: Vec<(&SharedConnection<'_>, Sender, u64)>,
    options: &Options,
) -> io::Result<Duration> {
    let operation = options.operation;
    let barrier = Barrier::new(work.len());
    let barrier = &barrier;
    let times = thread::scope(|scope| {
        let threads: Vec<_> = work
            .into_iter()
            .map(|(connection, mut sender, count)| {
                scope.spawn(move || {
                    let warm = sender.send(connection, operation, options.warm_up_for(count));
                    // Even after a failure, for the others wait.
                    barrier.wait();
                    warm?;
                    let start = Instant::now();
                    sender.send(connection, operation, count)?;
                    Ok((start, Instant::now()))
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        });
        joined.collect::<io::Result<Vec<_>>>()
    })?;
    let start = times.iter().map(|(start, _)| *start).min();
    let end = times.iter().map(|(_, end)| *end).max();
    Ok(start.zip(end).map_or(Duration::ZERO, |(start, end)| end - start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (total, among) in [(10, 3), (3, 16), (1_000_000, 7)] {
            let sum: u64 = (0..among).map(|which| share(total, among, which)).sum();
            assert_eq!(sum, total);
        }
    }
}
