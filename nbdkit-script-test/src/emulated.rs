//! What nbdkit emulates: it flushes if a plugin has no forced unit access, writes zeroes if it has
//! no `zero`, and reads if it has no `cache`.
//!
//! Each function returns the errno of a failed request.

use nbdkit_script::{Extent, ExtentType, Flags};

use crate::connection::Connection;
use crate::lists::Extents;
use crate::log;

/// The longest read or write that nbdkit accepts, in bytes.
pub(crate) const LONGEST: u32 = 64 << 20;

type Done = Result<(), i32>;

const UNSUPPORTED: [i32; 2] = [libc::ENOTSUP, libc::EOPNOTSUPP];

/// Turns a callback's return value into a result. `absent` is the errno if there is no such
/// callback.
fn status(connection: &Connection<'_>, returned: Option<i32>, absent: i32) -> Done {
    match returned {
        None => Err(absent),
        Some(-1) => Err(connection.errno()),
        Some(_) => Ok(()),
    }
}

pub(crate) fn pread(connection: &Connection<'_>, buffer: &mut [u8], offset: u64) -> Done {
    let count = buffer.len() as u32;
    status(connection, connection.call_pread(buffer, count, offset), libc::EIO)
}

pub(crate) fn flush(connection: &Connection<'_>) -> Done {
    status(connection, connection.call_flush(), libc::EINVAL)
}

/// Removes the FUA flag if the plugin must not see it. Returns whether to flush.
fn emulate_fua(connection: &Connection<'_>, flags: &mut Flags) -> bool {
    let emulated = flags.contains(Flags::FUA) && connection.offers.fua != 2;
    if emulated {
        flags.remove(Flags::FUA);
    }
    emulated
}

fn then_flush(connection: &Connection<'_>, flushes: bool) -> Done {
    if flushes { flush(connection) } else { Ok(()) }
}

pub(crate) fn pwrite(
    connection: &Connection<'_>,
    data: &[u8],
    offset: u64,
    mut flags: Flags,
) -> Done {
    let flushes = emulate_fua(connection, &mut flags);
    let returned = connection.call_pwrite(data, data.len() as u32, offset, flags.bits());
    status(connection, returned, libc::EROFS)?;
    then_flush(connection, flushes)
}

pub(crate) fn trim(connection: &Connection<'_>, count: u32, offset: u64, mut flags: Flags) -> Done {
    let flushes = emulate_fua(connection, &mut flags);
    let returned = connection.call_trim(count, offset, flags.bits());
    status(connection, returned, libc::EINVAL)?;
    then_flush(connection, flushes)
}

/// # Panics
/// Where nbdkit itself would fail an assertion.
pub(crate) fn zero(connection: &Connection<'_>, count: u32, offset: u64, mut flags: Flags) -> Done {
    let fast = flags.contains(Flags::FAST_ZERO);
    let flushes = emulate_fua(connection, &mut flags);
    if connection.offers.native_zero {
        let returned = connection.call_zero(count, offset, flags.bits());
        match status(connection, returned, libc::EOPNOTSUPP) {
            Ok(()) => return then_flush(connection, flushes).map_err(asserted),
            Err(errno) if UNSUPPORTED.contains(&errno) => {}
            Err(errno) => return Err(errno),
        }
    }
    if fast {
        return Err(libc::EOPNOTSUPP);
    }
    crate::session::set_error(0);
    let zeroes = vec![0; count.min(LONGEST) as usize];
    let mut done = 0;
    while done < count {
        let now = (count - done).min(LONGEST);
        let data = &zeroes[..now as usize];
        pwrite(connection, data, offset + u64::from(done), flags & Flags::FUA).map_err(asserted)?;
        done += now;
    }
    then_flush(connection, flushes).map_err(asserted)
}

/// With these two, `zero` asks nbdkit to write instead. nbdkit asserts that nothing else fails with
/// them.
fn asserted(errno: i32) -> i32 {
    assert!(
        !UNSUPPORTED.contains(&errno),
        "the write or the flush of a zero failed with ENOTSUP or EOPNOTSUPP, over which nbdkit \
         ends by an assertion"
    );
    errno
}

pub(crate) fn cache(connection: &Connection<'_>, count: u32, offset: u64) -> Done {
    if connection.offers.cache != 1 {
        // The plugin offers it but has no callback: there is nothing to do.
        return match connection.call_cache(count, offset) {
            Some(-1) => Err(connection.errno()),
            _ => Ok(()),
        };
    }
    let mut buffer = vec![0; count.min(LONGEST) as usize];
    let mut done = 0;
    while done < count {
        let now = (count - done).min(LONGEST);
        pread(connection, &mut buffer[..now as usize], offset + u64::from(done))?;
        done += now;
    }
    Ok(())
}

/// The extents that the client gets, from the offset on.
pub(crate) fn extents(
    connection: &Connection<'_>,
    count: u32,
    offset: u64,
    flags: Flags,
) -> Result<Vec<Extent>, i32> {
    let end = offset + u64::from(count);
    if !connection.offers.extents {
        return Ok(vec![Extent { offset, length: count.into(), extent_type: ExtentType::empty() }]);
    }
    // The plugin may describe more than the range, up to the end of the disk.
    let mut extents = Extents::new(offset, connection.offers.size);
    let returned = connection.call_extents(count, offset, flags.bits(), &mut extents);
    status(connection, returned, libc::EINVAL)?;
    if extents.list().is_empty() {
        log::error("extents: plugin must return at least one extent");
        return Err(libc::EINVAL);
    }
    Ok(blocks(extents.list(), flags.contains(Flags::REQ_ONE), count, end))
}

/// The extents as the protocol sends them. With `one`, only the first, cut to the range. Otherwise
/// all that begin in the range; the last may end past it.
fn blocks(extents: &[Extent], one: bool, count: u32, end: u64) -> Vec<Extent> {
    let most = u64::from(if one { count } else { u32::MAX });
    let mut blocks = Vec::new();
    for extent in extents {
        let length = extent.length.min(most);
        blocks.push(Extent { length, ..*extent });
        if one || extent.offset + length > end {
            break;
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(parts: &[u64], one: bool, count: u32) -> Vec<u64> {
        let mut offset = 0;
        let extents: Vec<_> = parts
            .iter()
            .map(|&length| {
                offset += length;
                Extent { offset: offset - length, length, extent_type: ExtentType::empty() }
            })
            .collect();
        blocks(&extents, one, count, count.into()).iter().map(|extent| extent.length).collect()
    }

    #[test]
    fn blocks_are_the_protocols() {
        assert_eq!(lengths(&[5, 5, 90], false, 10), [5, 5, 90]);
        assert_eq!(lengths(&[5, 6, 90], false, 10), [5, 6]);
        assert_eq!(lengths(&[5, 6, 90], true, 10), [5]);
        assert_eq!(lengths(&[50], true, 10), [10]);
        assert_eq!(lengths(&[1 << 40], false, 10), [u64::from(u32::MAX)]);
    }
}
