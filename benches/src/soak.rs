//! `soak`: whether a plugin's memory stays what it is.
//!
//! Each request in turn is of another kind that the plugin offers, and every so often the client
//! goes and another one comes: what leaks, leaks in one of these.

use std::error::Error;

use nbdkit_script_test::bare::Plugin;

use crate::arguments::{Options, Variant};
use crate::machine::resident_memory;
use crate::operation::{Operation, Sender};

/// How many requests a connection lives for. It divides no step evenly on purpose: a look at the
/// memory is to find a connection at any age.
const REQUESTS_PER_CONNECTION: u64 = 997;

/// Sends the requests, prints the memory at every step, and fails if it has grown.
pub fn run(options: &Options, variant: &Variant) -> Result<(), Box<dyn Error>> {
    let plugin = Plugin::load(&variant.plugin, &variant.parameters)?;
    println!("{:>10}  {:>10}  {:>10}", "requests", "VmRSS KiB", "since first");
    let mut first = None;
    let mut last = 0;
    let mut sent = 0;
    let mut next_look = options.step.min(options.count);
    while sent < options.count {
        let connection = plugin.connect()?;
        let mut sender = Sender::new(options.size, connection.offers.size)?;
        let offered: Vec<_> = Operation::ALL
            .into_iter()
            .filter(|operation| operation.is_offered(&connection))
            .collect();
        let end = options.count.min(sent + REQUESTS_PER_CONNECTION);
        for operation in offered.iter().cycle() {
            sender.send(&connection, *operation, 1)?;
            sent += 1;
            if sent == next_look {
                last = resident_memory()?;
                let first = *first.get_or_insert(last);
                println!("{sent:>10}  {last:>10}  {:>+11}", last as i64 - first as i64);
                next_look = options.count.min(sent + options.step);
            }
            if sent == end {
                break;
            }
        }
    }
    match first {
        Some(first) if last > first + options.bound => Err(format!(
            "{}: the memory grew by {} KiB, and {} are allowed",
            plugin.name(),
            last - first,
            options.bound
        )
        .into()),
        _ => Ok(()),
    }
}
