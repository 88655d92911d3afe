//! What a client sees of the disk, without a server.

use nbdkit_script_test::{Failure, Nbdkit};

use super::*;

fn disk() -> Nbdkit {
    Nbdkit::of::<Shared<Disk>>().config("size", "1M").ready().expect("the disk starts")
}

#[test]
fn what_is_written_is_read_by_every_client() -> Result<(), Failure> {
    let disk = disk();
    let (one, other) = (disk.connect("")?, disk.connect("")?);
    assert_eq!(one.size(), 1 << 20);
    one.pwrite(4096, b"new data")?;
    one.flush()?;
    assert_eq!(other.pread(4095, 10)?, b"\0new data\0");
    assert_eq!(disk.errors(), [""; 0]);
    Ok(())
}

#[test]
fn what_is_zeroed_reads_as_zeroes() -> Result<(), Failure> {
    let disk = disk();
    let client = disk.connect("")?;
    client.pwrite(0, &[1; 8192])?;
    client.zero(0, 4096)?;
    client.trim(4096, 4096)?;
    assert_eq!(client.pread(0, 8192)?, [0; 8192]);
    Ok(())
}

#[test]
fn it_needs_a_size() {
    let failure = Nbdkit::of::<Shared<Disk>>().ready().expect_err("there is no size");
    assert!(failure.to_string().ends_with("the size= parameter is missing"));
}
