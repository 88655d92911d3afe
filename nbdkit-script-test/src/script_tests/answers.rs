//! A test's client: answers the test's questions with requests to the disk.

use std::sync::mpsc::{self, Sender};

use nbdkit_script::__private::Question;
use nbdkit_script::{Flags, ThreadModel};

use crate::client::Client;
use crate::failure::Failure;
use crate::nbdkit::Nbdkit;
use crate::symbols::Answer;

/// A question of a test, which waits for the answer.
pub(super) struct Asked {
    name: String,
    offset: u64,
    count: u64,
    flags: u32,
    data: Vec<u8>,
    answer: Sender<Said>,
}

/// The answer to a question.
#[derive(Default)]
struct Said {
    errno: i32,
    disks_errno: i32,
    number: i64,
    bytes: Vec<u8>,
}

/// Sends this thread's questions to the receiver of the channel, and waits for each answer.
pub(super) fn by(questions: Sender<Asked>) -> Answer {
    Box::new(move |question, reply| {
        let (sender, answer) = mpsc::channel();
        let _ = questions.send(Asked::copy_of(question, sender));
        let said =
            answer.recv().unwrap_or_else(|_| refused(libc::EIO, "the disk has ended".into()));
        (reply.errno, reply.disks_errno, reply.number) =
            (said.errno, said.disks_errno, said.number);
        reply.add(&said.bytes);
    })
}

impl Asked {
    fn copy_of(question: &Question<'_>, answer: Sender<Said>) -> Asked {
        Asked {
            name: String::from_utf8_lossy(question.name()).into_owned(),
            offset: question.offset,
            count: question.count,
            flags: question.flags,
            data: question.bytes().to_vec(),
            answer,
        }
    }

    /// Answers the question. The first one that needs a client connects.
    pub(super) fn answer<'disk>(&self, disk: &'disk Nbdkit, client: &mut Option<Client<'disk>>) {
        let said = self.said(disk, client).unwrap_or_else(Said::from);
        // The receiver is still there: the thread that asked waits for this.
        let _ = self.answer.send(said);
    }

    fn said<'disk>(
        &self,
        disk: &'disk Nbdkit,
        client: &mut Option<Client<'disk>>,
    ) -> Result<Said, Failure> {
        match &*self.name {
            "connect" | "disconnect" => {
                // Disconnect first: the thread model may not let in a second client.
                client.take();
                if self.name == "connect" {
                    *client = Some(disk.connect(&String::from_utf8_lossy(&self.data))?);
                }
                Ok(Said::default())
            }
            "list_exports" => {
                if disk.thread_model() == ThreadModel::SerializeConnections {
                    client.take();
                }
                let names = disk.list_exports()?.into_iter().map(|export| export.name + "\0");
                Ok(Said::bytes(names.collect::<String>()))
            }
            _ => {
                let client = match client {
                    Some(client) => client,
                    None => client.insert(disk.connect("")?),
                };
                self.asked_of(client)
            }
        }
    }

    fn asked_of(&self, client: &Client<'_>) -> Result<Said, Failure> {
        let offers = client.offers();
        let (Ok(count), Some(flags)) = (u32::try_from(self.count), Flags::from_bits(self.flags))
        else {
            let Asked { name, count, flags, .. } = self;
            return Ok(refused(
                libc::EINVAL,
                format!("{name} of {count} with flags {flags:#x}: no client can ask that"),
            ));
        };
        let offset = self.offset;
        Ok(match &*self.name {
            "export_name" => Said::bytes(client.export_name()),
            "export_description" => match client.export_description() {
                Some(text) => Said { number: 1, ..Said::bytes(text) },
                None => Said::default(),
            },
            "get_size" => Said::number(client.size() as i64),
            "can_write" => Said::number(offers.write),
            "can_flush" => Said::number(offers.flush),
            "is_rotational" => Said::number(offers.rotational),
            "can_trim" => Said::number(offers.trim),
            "can_zero" => Said::number(offers.zero),
            "can_fast_zero" => Said::number(offers.fast_zero),
            "can_extents" => Said::number(offers.extents),
            "can_fua" => Said::number(offers.fua),
            "can_multi_conn" => Said::number(offers.multi_conn),
            "can_cache" => Said::number(offers.cache),
            "pread" => Said::bytes(client.pread(offset, count)?),
            "pwrite" => client.pwrite_with(offset, &self.data, flags)?.into(),
            "flush" => client.flush()?.into(),
            "trim" => client.trim_with(offset, count, flags)?.into(),
            "zero" if flags.contains(Flags::FAST_ZERO) && !offers.fast_zero => {
                refused(libc::EINVAL, "zero: this disk offers no fast zeroes".into())
            }
            "zero" => client.zero_with(offset, count, flags)?.into(),
            "cache" => client.cache(offset, count)?.into(),
            "extents" => {
                let extents = client.extents_with(offset, count, flags)?;
                let numbers = extents.iter().flat_map(|extent| {
                    [extent.offset, extent.length, extent.extent_type.bits().into()]
                });
                Said::bytes(numbers.flat_map(u64::to_ne_bytes).collect::<Vec<_>>())
            }
            name => refused(
                libc::ENOTSUP,
                format!("{name}: this nbdkit-script-test is older than the plugin, and lacks it"),
            ),
        })
    }
}

fn refused(errno: i32, message: String) -> Said {
    Said { errno, bytes: message.into_bytes(), ..Said::default() }
}

impl Said {
    fn bytes(bytes: impl Into<Vec<u8>>) -> Said {
        Said { bytes: bytes.into(), ..Said::default() }
    }

    fn number(number: impl Into<i64>) -> Said {
        Said { number: number.into(), ..Said::default() }
    }
}

impl From<()> for Said {
    fn from((): ()) -> Said {
        Said::default()
    }
}

impl From<Failure> for Said {
    /// A client that is refused sees no errno: `EIO` stands for that.
    fn from(failure: Failure) -> Said {
        let errno = if failure.errno() == 0 { libc::EIO } else { failure.errno() };
        let disks_errno = failure.plugins_errno();
        Said { disks_errno, ..refused(errno, failure.to_string()) }
    }
}
