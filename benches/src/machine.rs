//! What the numbers were measured on, without which they mean little.

use std::fs;
use std::time::SystemTime;

use crate::json::Json;

/// The processor, the kernel and the time.
pub fn describe() -> Json {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Json::object([
        ("processor", Json::text(&field("/proc/cpuinfo", "model name").unwrap_or_default())),
        ("processors", Json::number(cpus as u32)),
        ("kernel", Json::text(read("/proc/sys/kernel/osrelease").trim())),
        ("unix_time", Json::number(now.map_or(0, |now| now.as_secs()) as f64)),
    ])
}

/// The process's resident memory in KiB.
pub fn resident_memory() -> Result<u64, String> {
    let value = field("/proc/self/status", "VmRSS").ok_or("/proc/self/status has no VmRSS")?;
    let number = value.strip_suffix("kB").unwrap_or(&value).trim();
    number.parse().map_err(|_| format!("VmRSS is {value}"))
}

/// The value of the first line `name: value` of a file.
fn field(file: &str, name: &str) -> Option<String> {
    read(file).lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_string())
    })
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_has_memory() {
        assert!(super::resident_memory().unwrap() > 0);
    }
}
