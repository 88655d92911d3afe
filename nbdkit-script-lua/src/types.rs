//! The types of buffers and of disks: the library's methods, and what Lua has besides.

use nbdkit_script::Result;
use nbdkit_script::script::api::{self, Answer, Method, Methods, buffer, disk};

use crate::interpreter::{Interpreter, Register, Type};

/// `nbdkit.buffer` and `nbdkit.disk`.
pub const CONSTRUCTORS: [Register; 2] =
    [Register::new::<NewBuffer>("buffer"), Register::new::<NewDisk>("disk")];

/// `nbdkit.buffer`: its errors name it, as those of the module's other functions do.
struct NewBuffer;

impl Method for NewBuffer {
    fn run<'a>(call: &impl api::Call<'a>) -> Result<Answer<'a>> {
        buffer::New::run(call).map_err(|error| error.context("nbdkit.buffer"))
    }
}

/// `nbdkit.disk`.
struct NewDisk;

impl Method for NewDisk {
    fn run<'a>(call: &impl api::Call<'a>) -> Result<Answer<'a>> {
        disk::New::run(call).map_err(|error| error.context("nbdkit.disk"))
    }
}

/// Makes both types.
pub fn register(interpreter: &Interpreter) -> mlua::Result<()> {
    let (mut buffers, mut disks) = (List::default(), List::default());
    buffer::methods(&mut buffers);
    disk::methods(&mut disks);
    interpreter.register_types(
        Type {
            name: "nbdkit.buffer",
            methods: &buffers.0,
            metamethods: &[
                Register::new::<buffer::Length>("__len"),
                Register::new::<DescribeBuffer>("__tostring"),
            ],
        },
        Type {
            name: "nbdkit.disk",
            methods: &disks.0,
            metamethods: &[Register::new::<DescribeDisk>("__tostring")],
        },
    )
}

#[derive(Default)]
struct List(Vec<Register>);

impl Methods for List {
    fn add<M: Method>(&mut self, name: &'static str) {
        self.0.push(Register::new::<M>(name));
    }
}

/// `tostring(buf)`: what it is, not what is in it.
struct DescribeBuffer;

impl Method for DescribeBuffer {
    fn run<'a>(_: &impl api::Call<'a>) -> Result<Answer<'a>> {
        Ok(Answer::Bytes(b"nbdkit.buffer"))
    }
}

/// `tostring(disk)`.
struct DescribeDisk;

impl Method for DescribeDisk {
    fn run<'a>(_: &impl api::Call<'a>) -> Result<Answer<'a>> {
        Ok(Answer::Bytes(b"nbdkit.disk"))
    }
}
