//! Calls of callbacks.

use nbdkit_script::script::api::Lease;
use nbdkit_script::{Callbacks, Error, Result, script};

use super::object::{Object, Value};
use super::{Handle, Inside, Interpreter};
use crate::ffi::{self, TCL_OK, Tcl_Size};

/// What a callback is called with.
pub type Argument<'a> = script::Argument<'a, Handle, Lease<'a>>;

/// How many arguments callbacks have, at most.
const MOST_ARGUMENTS: usize = 4;

impl Interpreter {
    /// Calls a callback, and hands its result to `take`.
    ///
    /// # Errors
    /// That it is not defined, or why it failed.
    #[inline(always)]
    pub fn call<T>(
        &self,
        callback: Callbacks,
        arguments: &[Argument<'_>],
        take: impl FnOnce(Value<'_>) -> Result<T>,
    ) -> Result<T> {
        self.call_with(callback, arguments, |inside| take(inside.result()))
    }

    /// Calls `plugin_open`, and keeps what it returns.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub fn call_open(&self, arguments: &[Argument<'_>]) -> Result<Handle> {
        self.call_with(Callbacks::OPEN, arguments, |inside| {
            // SAFETY: the interpreter's result is alive.
            let handle = unsafe { Object::hold(ffi::Tcl_GetObjResult(inside.raw())) };
            Ok(Handle(self.handles.borrow_mut().insert(handle)))
        })
    }

    // Always inline: the arguments, an array, would be copied, and read back before they are
    // stored.
    #[inline(always)]
    fn call_with<T>(
        &self,
        callback: Callbacks,
        arguments: &[Argument<'_>],
        take: impl FnOnce(&Inside<'_>) -> Result<T>,
    ) -> Result<T> {
        self.shared.pending_errno.set(0);
        // A script may have ended before it was cancelled: this is of no later failure.
        self.stopper.take_errno();
        let _assumed = self.identity.assume();
        let inside = Inside { interpreter: self };
        if !self.is_defined(callback) {
            return Err(Error::not_defined());
        }
        let mut lent = false;
        let mut objects: [Option<Object>; MOST_ARGUMENTS] = [const { None }; MOST_ARGUMENTS];
        let mut words = [self.name_of(callback).as_ptr(); 1 + MOST_ARGUMENTS];
        for ((argument, object), word) in
            arguments.iter().zip(&mut objects).zip(words[1..].iter_mut())
        {
            lent |= matches!(argument, Argument::Lent(_));
            let made = self.object_of(argument);
            *word = made.as_ptr();
            *object = Some(made);
        }
        let count = 1 + arguments.len().min(MOST_ARGUMENTS);
        // SAFETY: a living interpreter, and living values: the name's and those in `objects`.
        let status =
            unsafe { ffi::Tcl_EvalObjv(self.raw.as_ptr(), count as Tcl_Size, words.as_ptr(), 0) };
        if lent {
            self.take_back();
        }
        let taken = if status == TCL_OK { take(&inside) } else { Err(inside.failure(status)) };
        // What may be large is not kept until the next call.
        // SAFETY: a living interpreter, whose result nobody looks at any more.
        unsafe { ffi::Tcl_ResetResult(self.raw.as_ptr()) };
        taken
    }

    #[inline(always)]
    fn object_of(&self, argument: &Argument<'_>) -> Object {
        match *argument {
            Argument::Handle(handle) => match self.handles.borrow().get(handle.0) {
                // SAFETY: it is held by the slab.
                Some(object) => unsafe { Object::hold(object.as_ptr()) },
                // The framework closes a connection once.
                None => Object::string(""),
            },
            Argument::Integer(integer) => Object::integer(integer),
            // 1 or 0.
            Argument::Boolean(boolean) => Object::integer(boolean.into()),
            // A byte array, which Tcl copies.
            Argument::Bytes(bytes) => Object::bytes(bytes),
            Argument::Parameter(bytes) => Object::external(bytes),
            // The name of a command.
            Argument::Lent(lent) => self.lend(lent.memory()),
        }
    }
}
