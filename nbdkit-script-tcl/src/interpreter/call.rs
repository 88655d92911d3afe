//! Calls callbacks.

use nbdkit_script::script::api::Lease;
use nbdkit_script::{Callbacks, Error, Result, script};

use super::lent::Loan;
use super::object::{Object, Value};
use super::{Handle, Inside, Interpreter};
use crate::ffi::{self, TCL_OK, Tcl_Size};

/// An argument of a callback.
pub type Argument<'a> = script::Argument<'a, Handle, Lease<'a>>;

/// No callback has more arguments.
const MOST_ARGUMENTS: usize = 4;

impl Interpreter {
    /// Calls a callback, and passes its result to `take`.
    ///
    /// # Errors
    /// If it is not defined, or has failed.
    #[inline(always)]
    pub fn call<T>(
        &self,
        callback: Callbacks,
        arguments: &[Argument<'_>],
        take: impl FnOnce(Value<'_>) -> Result<T>,
    ) -> Result<T> {
        self.call_with(callback, arguments, |inside| take(inside.result()))
    }

    /// Calls `plugin_open`, and keeps its return value.
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

    /// Forgets what an earlier call has left.
    #[inline(always)]
    fn begin(&self, inside: &Inside<'_>) {
        self.shared.pending_errno.set(0);
        inside.forget_interruption();
    }

    // Always inline: otherwise the array of arguments would be copied, and read back before its
    // stores have finished.
    #[inline(always)]
    fn call_with<T>(
        &self,
        callback: Callbacks,
        arguments: &[Argument<'_>],
        take: impl FnOnce(&Inside<'_>) -> Result<T>,
    ) -> Result<T> {
        let _assumed = self.identity.assume();
        let inside = Inside { interpreter: self };
        self.begin(&inside);
        if !self.is_defined(callback) {
            return Err(Error::not_defined());
        }
        let mut loan = None;
        let mut objects: [Option<Object>; MOST_ARGUMENTS] = [const { None }; MOST_ARGUMENTS];
        let mut words = [self.name_of(callback).as_ptr(); 1 + MOST_ARGUMENTS];
        for ((argument, object), word) in
            arguments.iter().zip(&mut objects).zip(words[1..].iter_mut())
        {
            let made = self.object_of(argument, &mut loan);
            *word = made.as_ptr();
            *object = Some(made);
        }
        let count = 1 + arguments.len().min(MOST_ARGUMENTS);
        // SAFETY: a living interpreter and living values: the name, and those in `objects`.
        let status =
            unsafe { ffi::Tcl_EvalObjv(self.raw.as_ptr(), count as Tcl_Size, words.as_ptr(), 0) };
        drop(objects);
        drop(loan);
        let taken = if status == TCL_OK { take(&inside) } else { Err(inside.failure(status)) };
        // The result may be large, so do not keep it until the next call.
        // SAFETY: a living interpreter, whose result nobody uses any more.
        unsafe { ffi::Tcl_ResetResult(self.raw.as_ptr()) };
        taken
    }

    /// Runs a command as one of the script's own.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub fn run(&self, words: &[&str]) -> Result<()> {
        self.inside(|inside| {
            self.begin(inside);
            match inside.eval(words) {
                TCL_OK => Ok(()),
                status => Err(inside.failure(status)),
            }
        })
    }

    #[inline(always)]
    fn object_of<'a>(&'a self, argument: &Argument<'_>, loan: &mut Option<Loan<'a>>) -> Object {
        match *argument {
            Argument::Handle(handle) => match self.handles.borrow().get(handle.0) {
                // SAFETY: the slab keeps it alive.
                Some(object) => unsafe { Object::hold(object.as_ptr()) },
                // This does not happen: the framework closes each connection once.
                None => Object::string(""),
            },
            Argument::Integer(integer) => Object::integer(integer),
            Argument::Boolean(boolean) => Object::integer(boolean.into()),
            // Tcl copies the bytes.
            Argument::Bytes(bytes) => Object::bytes(bytes),
            Argument::Parameter(bytes) => Object::external(bytes),
            Argument::Lent(lent) => {
                let (begun, object) = self.lend(lent.memory());
                *loan = Some(begun);
                object
            }
        }
    }
}
