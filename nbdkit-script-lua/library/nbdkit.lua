---@meta

-- What a script for the nbdkit Lua plugin can use, for editors with the Lua language server
-- (lua-language-server, "LuaLS"). It is never executed.
--
-- To use it, tell the language server where this directory is. In a file `.luarc.json` next to
-- your script (in an editor's settings the names begin with `Lua.`: `Lua.workspace.library`):
--
--   {
--     "runtime.version": "Lua 5.4",
--     "workspace.library": ["/path/to/nbdkit-script-lua/library"]
--   }
--
-- Say what a variable is that a callback sets, since all others would find nil in it:
--
--   ---@type nbdkit.disk
--   local disk
--
-- The callbacks are declared as globals, with the signatures of both API versions; in your own, a
-- line such as `---@param buf nbdkit.buffer` says what an argument is. A script that returns a table
-- derives a class, which says that of all callbacks:
--
--   ---@class disk: nbdkit.callbacks2
--   local M = { API_VERSION = 2 }
--
-- docs/lua.md describes what the functions do.

---The version of the callbacks' signatures, 1 by default.
---@type 1|2|nil
API_VERSION = nil

---@alias nbdkit.errno_name
---| "E2BIG"
---| "EACCES"
---| "EADDRINUSE"
---| "EADDRNOTAVAIL"
---| "EADV"
---| "EAFNOSUPPORT"
---| "EAGAIN"
---| "EALREADY"
---| "EBADE"
---| "EBADF"
---| "EBADFD"
---| "EBADMSG"
---| "EBADR"
---| "EBADRQC"
---| "EBADSLT"
---| "EBFONT"
---| "EBUSY"
---| "ECANCELED"
---| "ECHILD"
---| "ECHRNG"
---| "ECOMM"
---| "ECONNABORTED"
---| "ECONNREFUSED"
---| "ECONNRESET"
---| "EDEADLK"
---| "EDEADLOCK"
---| "EDESTADDRREQ"
---| "EDOM"
---| "EDOTDOT"
---| "EDQUOT"
---| "EEXIST"
---| "EFAULT"
---| "EFBIG"
---| "EFTYPE"
---| "EHOSTDOWN"
---| "EHOSTUNREACH"
---| "EHWPOISON"
---| "EIDRM"
---| "EILSEQ"
---| "EINPROGRESS"
---| "EINTR"
---| "EINVAL"
---| "EIO"
---| "EISCONN"
---| "EISDIR"
---| "EISNAM"
---| "EKEYEXPIRED"
---| "EKEYREJECTED"
---| "EKEYREVOKED"
---| "EL2HLT"
---| "EL2NSYNC"
---| "EL3HLT"
---| "EL3RST"
---| "ELIBACC"
---| "ELIBBAD"
---| "ELIBEXEC"
---| "ELIBMAX"
---| "ELIBSCN"
---| "ELNRNG"
---| "ELOOP"
---| "EMEDIUMTYPE"
---| "EMFILE"
---| "EMLINK"
---| "EMSGSIZE"
---| "EMULTIHOP"
---| "ENAMETOOLONG"
---| "ENAVAIL"
---| "ENETDOWN"
---| "ENETRESET"
---| "ENETUNREACH"
---| "ENFILE"
---| "ENOANO"
---| "ENOBUFS"
---| "ENOCSI"
---| "ENODATA"
---| "ENODEV"
---| "ENOENT"
---| "ENOEXEC"
---| "ENOKEY"
---| "ENOLCK"
---| "ENOLINK"
---| "ENOMEDIUM"
---| "ENOMEM"
---| "ENOMSG"
---| "ENONET"
---| "ENOPKG"
---| "ENOPROTOOPT"
---| "ENOSPC"
---| "ENOSR"
---| "ENOSTR"
---| "ENOSYS"
---| "ENOTBLK"
---| "ENOTCONN"
---| "ENOTDIR"
---| "ENOTEMPTY"
---| "ENOTNAM"
---| "ENOTRECOVERABLE"
---| "ENOTSOCK"
---| "ENOTSUP"
---| "ENOTTY"
---| "ENOTUNIQ"
---| "ENXIO"
---| "EOPNOTSUPP"
---| "EOVERFLOW"
---| "EOWNERDEAD"
---| "EPERM"
---| "EPFNOSUPPORT"
---| "EPIPE"
---| "EPROTO"
---| "EPROTONOSUPPORT"
---| "EPROTOTYPE"
---| "ERANGE"
---| "EREMCHG"
---| "EREMOTE"
---| "EREMOTEIO"
---| "ERESTART"
---| "ERFKILL"
---| "EROFS"
---| "ESHUTDOWN"
---| "ESOCKTNOSUPPORT"
---| "ESPIPE"
---| "ESRCH"
---| "ESRMNT"
---| "ESTALE"
---| "ESTRPIPE"
---| "ETIME"
---| "ETIMEDOUT"
---| "ETOOMANYREFS"
---| "ETXTBSY"
---| "EUCLEAN"
---| "EUNATCH"
---| "EUSERS"
---| "EWOULDBLOCK"
---| "EXDEV"
---| "EXFULL"

---@alias nbdkit.thread_model
---| 0
---| 1
---| 2
---| 3
---| "serialize_connections"
---| "serialize_all_requests"
---| "serialize_requests"
---| "parallel"

---@alias nbdkit.level
---| 0
---| 1
---| 2
---| "none"
---| "emulate"
---| "native"

---@alias nbdkit.extent_type
---| 0
---| 1
---| 2
---| 3
---| ""
---| "hole"
---| "zero"
---| "hole,zero"

---An extent, with fields by position or by name.
---@class nbdkit.extent
---@field [1]? integer offset in bytes
---@field [2]? integer length in bytes
---@field [3]? nbdkit.extent_type
---@field offset? integer
---@field length? integer
---@field type? nbdkit.extent_type

---An export, with fields by position or by name.
---@class nbdkit.export
---@field [1]? string name
---@field [2]? string description
---@field name? string
---@field description? string

---What the module's functions throw, and what a script may throw to set the errno. In errors of the
---module, `errno` is an integer, and `tostring` and `..` give the message.
---@class nbdkit.thrown
---@field errno integer|nbdkit.errno_name
---@field message string

---A mutable block of bytes. Offsets start at 0.
---@class nbdkit.buffer
---@operator len: integer
local buffer = {}

---Reads an integer of 8 bits, signed.
---@param offset integer
---@return integer
function buffer:readi8(offset) end

---Reads an integer of 8 bits.
---@param offset integer
---@return integer
function buffer:readu8(offset) end

---Reads an integer of 16 bits, signed, little-endian.
---@param offset integer
---@return integer
function buffer:readi16(offset) end

---Reads an integer of 16 bits, little-endian.
---@param offset integer
---@return integer
function buffer:readu16(offset) end

---Reads an integer of 32 bits, signed, little-endian.
---@param offset integer
---@return integer
function buffer:readi32(offset) end

---Reads an integer of 32 bits, little-endian.
---@param offset integer
---@return integer
function buffer:readu32(offset) end

---Reads an integer of 64 bits, signed, little-endian.
---@param offset integer
---@return integer
function buffer:readi64(offset) end

---Reads a floating point number of 32 bits, little-endian.
---@param offset integer
---@return number
function buffer:readf32(offset) end

---Reads a floating point number of 64 bits, little-endian.
---@param offset integer
---@return number
function buffer:readf64(offset) end

---Reads an integer of 16 bits, signed, big-endian.
---@param offset integer
---@return integer
function buffer:readi16be(offset) end

---Reads an integer of 16 bits, big-endian.
---@param offset integer
---@return integer
function buffer:readu16be(offset) end

---Reads an integer of 32 bits, signed, big-endian.
---@param offset integer
---@return integer
function buffer:readi32be(offset) end

---Reads an integer of 32 bits, big-endian.
---@param offset integer
---@return integer
function buffer:readu32be(offset) end

---Reads an integer of 64 bits, signed, big-endian.
---@param offset integer
---@return integer
function buffer:readi64be(offset) end

---Reads a floating point number of 32 bits, big-endian.
---@param offset integer
---@return number
function buffer:readf32be(offset) end

---Reads a floating point number of 64 bits, big-endian.
---@param offset integer
---@return number
function buffer:readf64be(offset) end

---Writes an integer of 8 bits, signed.
---@param offset integer
---@param value integer
function buffer:writei8(offset, value) end

---Writes an integer of 8 bits.
---@param offset integer
---@param value integer
function buffer:writeu8(offset, value) end

---Writes an integer of 16 bits, signed, little-endian.
---@param offset integer
---@param value integer
function buffer:writei16(offset, value) end

---Writes an integer of 16 bits, little-endian.
---@param offset integer
---@param value integer
function buffer:writeu16(offset, value) end

---Writes an integer of 32 bits, signed, little-endian.
---@param offset integer
---@param value integer
function buffer:writei32(offset, value) end

---Writes an integer of 32 bits, little-endian.
---@param offset integer
---@param value integer
function buffer:writeu32(offset, value) end

---Writes an integer of 64 bits, signed, little-endian.
---@param offset integer
---@param value integer
function buffer:writei64(offset, value) end

---Writes a floating point number of 32 bits, little-endian.
---@param offset integer
---@param value number
function buffer:writef32(offset, value) end

---Writes a floating point number of 64 bits, little-endian.
---@param offset integer
---@param value number
function buffer:writef64(offset, value) end

---Writes an integer of 16 bits, signed, big-endian.
---@param offset integer
---@param value integer
function buffer:writei16be(offset, value) end

---Writes an integer of 16 bits, big-endian.
---@param offset integer
---@param value integer
function buffer:writeu16be(offset, value) end

---Writes an integer of 32 bits, signed, big-endian.
---@param offset integer
---@param value integer
function buffer:writei32be(offset, value) end

---Writes an integer of 32 bits, big-endian.
---@param offset integer
---@param value integer
function buffer:writeu32be(offset, value) end

---Writes an integer of 64 bits, signed, big-endian.
---@param offset integer
---@param value integer
function buffer:writei64be(offset, value) end

---Writes a floating point number of 32 bits, big-endian.
---@param offset integer
---@param value number
function buffer:writef32be(offset, value) end

---Writes a floating point number of 64 bits, big-endian.
---@param offset integer
---@param value number
function buffer:writef64be(offset, value) end

---@param offset integer
---@param count integer
---@return string
function buffer:readstring(offset, count) end

---Writes a string, or only its first `count` bytes.
---@param offset integer
---@param string string
---@param count? integer
function buffer:writestring(offset, string, count) end

---Copies bytes into this buffer from another one or from itself: by default, all bytes from
---`source_offset` on.
---@param target_offset integer
---@param source nbdkit.buffer
---@param source_offset? integer
---@param count? integer
function buffer:copy(target_offset, source, source_offset, count) end

---Sets bytes to one value: by default, all from `offset` on.
---@param offset integer
---@param byte integer
---@param count? integer
function buffer:fill(offset, byte, count) end

---Returns all bytes as a string.
---@return string
function buffer:tostring() end

---Returns the length in bytes.
---@return integer
function buffer:len() end

---A disk in memory that all interpreters share. Each call is atomic.
---@class nbdkit.disk
local disk = {}

---Fills the whole buffer from `offset` on, or returns `count` bytes from there.
---@param buffer nbdkit.buffer
---@param offset integer
---@overload fun(self: nbdkit.disk, count: integer, offset: integer): string
function disk:pread(buffer, offset) end

---Writes a string or a buffer.
---@param data string|nbdkit.buffer
---@param offset integer
function disk:pwrite(data, offset) end

---Turns a range into a hole, which reads as zeroes.
---@param count integer
---@param offset integer
function disk:zero(count, offset) end

---The same as `zero`.
---@param count integer
---@param offset integer
function disk:trim(count, offset) end

---Returns a list for the callback `extents` to return: data, and holes that read as zeroes.
---@param count integer
---@param offset integer
---@return nbdkit.extent[]
function disk:extents(count, offset) end

---Returns the size in bytes.
---@return integer
function disk:size() end

---The client of a test: the argument of the functions `test_*` that `nbdkit-script-test` runs.
---@class nbdkit.client
local client = {}

---Connects anew, to the default export if there is no name.
---@param export? string
function client:connect(export) end

---Closes the connection. The next request opens one to the default export.
function client:disconnect() end

---Returns `count` bytes.
---@param count integer
---@param offset integer
---@return string
function client:pread(count, offset) end

---Writes.
---@param data string|nbdkit.buffer
---@param offset integer
---@param flags? integer
function client:pwrite(data, offset, flags) end

---Makes earlier writes durable.
function client:flush() end

---Punches a hole.
---@param count integer
---@param offset integer
---@param flags? integer
function client:trim(count, offset, flags) end

---Writes zeroes, which may be a hole, unless the flags say otherwise.
---@param count integer
---@param offset integer
---@param flags? integer
function client:zero(count, offset, flags) end

---Returns `{offset, length, type}` for each extent.
---@param count integer
---@param offset integer
---@param flags? integer
---@return integer[][]
function client:extents(count, offset, flags) end

---Prefetches.
---@param count integer
---@param offset integer
function client:cache(count, offset) end

---Calls a method, which has to fail with this errno. Returns the message.
---@param errno integer|nbdkit.errno_name
---@param method string
---@param ... any
---@return string
function client:expect_error(errno, method, ...) end

---Fails unless both are the same.
---@param found number|boolean|string|nbdkit.buffer|nil
---@param expected number|boolean|string|nbdkit.buffer|nil
function client:expect_equal(found, expected) end

---The size of the disk in bytes.
---@return integer
function client:get_size() end

---Whether the disk has seek times.
---@return boolean
function client:is_rotational() end

---Whether the client may write.
---@return boolean
function client:can_write() end

---Whether the client may flush.
---@return boolean
function client:can_flush() end

---Whether the client may trim.
---@return boolean
function client:can_trim() end

---Whether the client may write zeroes.
---@return boolean
function client:can_zero() end

---Whether the client may ask for zeroes to be fast or to fail.
---@return boolean
function client:can_fast_zero() end

---Whether the extents are the script's.
---@return boolean
function client:can_extents() end

---One of `nbdkit.FUA_...`.
---@return integer
function client:can_fua() end

---One of `nbdkit.CACHE_...`.
---@return integer
function client:can_cache() end

---Whether several connections see one consistent disk.
---@return boolean
function client:can_multi_conn() end

---The export that the client is connected to.
---@return string
function client:export_name() end

---What the script says about it.
---@return string?
function client:export_description() end

---The names of the exports.
---@return string[]
function client:list_exports() end

---A file or a block device with a disk's data. Errors have the system's errno, and name the file.
---@class nbdkit.file
local file = {}

---Fills the whole buffer from `offset` on, or returns `count` bytes from there.
---@param buffer nbdkit.buffer
---@param offset integer
---@overload fun(self: nbdkit.file, count: integer, offset: integer): string
function file:pread(buffer, offset) end

---Writes a string or a buffer. With `FLAG_FUA` it is durable when this returns. Past the end, the
---file gets longer.
---@param data string|nbdkit.buffer
---@param offset integer
---@param flags? integer
function file:pwrite(data, offset, flags) end

---Makes durable all that was written.
function file:flush() end

---Makes durable all that was written, and the file's times.
function file:sync() end

---Returns the size in bytes.
---@return integer
function file:size() end

---Makes the file longer, by a hole, or shorter.
---@param size integer
function file:truncate(size) end

---Writes zeroes; with `FLAG_MAY_TRIM`, as a hole. With `FLAG_FAST_ZERO`, fails where the system
---would have to write them.
---@param count integer
---@param offset integer
---@param flags? integer
function file:zero(count, offset, flags) end

---Makes a hole, where the system can.
---@param count integer
---@param offset integer
---@param flags? integer
function file:trim(count, offset, flags) end

---Returns a list for the callback `extents` to return: data, and holes that read as zeroes.
---@param count integer
---@param offset integer
---@param flags? integer
---@return nbdkit.extent[]
function file:extents(count, offset, flags) end

---Asks the system to read a range soon.
---@param count integer
---@param offset integer
---@param flags? integer
function file:cache(count, offset, flags) end

---Keeps other processes from locking the file. Fails with `EAGAIN` if one has.
function file:lock() end

---Closes the file. Any later use is an `EBADF` error.
function file:close() end

---@alias nbdkit.shared_value string|number|boolean

---The module, available as a global and through `require "nbdkit"`.
---@class nbdkit
nbdkit = {}

---The system's error numbers.
---@class nbdkit.errno
---@field E2BIG integer
---@field EACCES integer
---@field EADDRINUSE integer
---@field EADDRNOTAVAIL integer
---@field EADV integer
---@field EAFNOSUPPORT integer
---@field EAGAIN integer
---@field EALREADY integer
---@field EBADE integer
---@field EBADF integer
---@field EBADFD integer
---@field EBADMSG integer
---@field EBADR integer
---@field EBADRQC integer
---@field EBADSLT integer
---@field EBFONT integer
---@field EBUSY integer
---@field ECANCELED integer
---@field ECHILD integer
---@field ECHRNG integer
---@field ECOMM integer
---@field ECONNABORTED integer
---@field ECONNREFUSED integer
---@field ECONNRESET integer
---@field EDEADLK integer
---@field EDEADLOCK integer
---@field EDESTADDRREQ integer
---@field EDOM integer
---@field EDOTDOT integer
---@field EDQUOT integer
---@field EEXIST integer
---@field EFAULT integer
---@field EFBIG integer
---@field EFTYPE integer
---@field EHOSTDOWN integer
---@field EHOSTUNREACH integer
---@field EHWPOISON integer
---@field EIDRM integer
---@field EILSEQ integer
---@field EINPROGRESS integer
---@field EINTR integer
---@field EINVAL integer
---@field EIO integer
---@field EISCONN integer
---@field EISDIR integer
---@field EISNAM integer
---@field EKEYEXPIRED integer
---@field EKEYREJECTED integer
---@field EKEYREVOKED integer
---@field EL2HLT integer
---@field EL2NSYNC integer
---@field EL3HLT integer
---@field EL3RST integer
---@field ELIBACC integer
---@field ELIBBAD integer
---@field ELIBEXEC integer
---@field ELIBMAX integer
---@field ELIBSCN integer
---@field ELNRNG integer
---@field ELOOP integer
---@field EMEDIUMTYPE integer
---@field EMFILE integer
---@field EMLINK integer
---@field EMSGSIZE integer
---@field EMULTIHOP integer
---@field ENAMETOOLONG integer
---@field ENAVAIL integer
---@field ENETDOWN integer
---@field ENETRESET integer
---@field ENETUNREACH integer
---@field ENFILE integer
---@field ENOANO integer
---@field ENOBUFS integer
---@field ENOCSI integer
---@field ENODATA integer
---@field ENODEV integer
---@field ENOENT integer
---@field ENOEXEC integer
---@field ENOKEY integer
---@field ENOLCK integer
---@field ENOLINK integer
---@field ENOMEDIUM integer
---@field ENOMEM integer
---@field ENOMSG integer
---@field ENONET integer
---@field ENOPKG integer
---@field ENOPROTOOPT integer
---@field ENOSPC integer
---@field ENOSR integer
---@field ENOSTR integer
---@field ENOSYS integer
---@field ENOTBLK integer
---@field ENOTCONN integer
---@field ENOTDIR integer
---@field ENOTEMPTY integer
---@field ENOTNAM integer
---@field ENOTRECOVERABLE integer
---@field ENOTSOCK integer
---@field ENOTSUP integer
---@field ENOTTY integer
---@field ENOTUNIQ integer
---@field ENXIO integer
---@field EOPNOTSUPP integer
---@field EOVERFLOW integer
---@field EOWNERDEAD integer
---@field EPERM integer
---@field EPFNOSUPPORT integer
---@field EPIPE integer
---@field EPROTO integer
---@field EPROTONOSUPPORT integer
---@field EPROTOTYPE integer
---@field ERANGE integer
---@field EREMCHG integer
---@field EREMOTE integer
---@field EREMOTEIO integer
---@field ERESTART integer
---@field ERFKILL integer
---@field EROFS integer
---@field ESHUTDOWN integer
---@field ESOCKTNOSUPPORT integer
---@field ESPIPE integer
---@field ESRCH integer
---@field ESRMNT integer
---@field ESTALE integer
---@field ESTRPIPE integer
---@field ETIME integer
---@field ETIMEDOUT integer
---@field ETOOMANYREFS integer
---@field ETXTBSY integer
---@field EUCLEAN integer
---@field EUNATCH integer
---@field EUSERS integer
---@field EWOULDBLOCK integer
---@field EXDEV integer
---@field EXFULL integer
nbdkit.errno = {}

---`zero` may punch a hole.
nbdkit.FLAG_MAY_TRIM = 1

---The data must be durable before the callback returns.
nbdkit.FLAG_FUA = 2

---`extents` need only return the extent at `offset`.
nbdkit.FLAG_REQ_ONE = 4

---`zero` must fail with ENOTSUP unless it is fast.
nbdkit.FLAG_FAST_ZERO = 8

---Clients are not offered it.
nbdkit.FUA_NONE = 0

---nbdkit calls `flush`.
nbdkit.FUA_EMULATE = 1

---The request carries `FLAG_FUA`. In API version 1, the same as `FUA_EMULATE`.
nbdkit.FUA_NATIVE = 2

---Clients are not offered it.
nbdkit.CACHE_NONE = 0

---nbdkit calls `pread`.
nbdkit.CACHE_EMULATE = 1

---nbdkit calls `cache`.
nbdkit.CACHE_NATIVE = 2

---Nothing is allocated.
nbdkit.EXTENT_HOLE = 1

---It reads as zeroes.
nbdkit.EXTENT_ZERO = 2

---One connection at a time. One interpreter.
nbdkit.THREAD_MODEL_SERIALIZE_CONNECTIONS = 0

---One request at a time. One interpreter. The default.
nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS = 1

---One request at a time per connection. Each connection belongs to one of several interpreters.
nbdkit.THREAD_MODEL_SERIALIZE_REQUESTS = 2

---Any number of requests, each in any of several interpreters.
nbdkit.THREAD_MODEL_PARALLEL = 3

---Makes a buffer of zeroes, or one with the bytes of a string.
---@param size_or_bytes integer|string
---@return nbdkit.buffer
function nbdkit.buffer(size_or_bytes) end

---Returns the disk in memory with this name. The first call creates it, filled with zeroes. A call
---with a different size is an error.
---@param name string
---@param size integer
---@return nbdkit.disk
function nbdkit.disk(name, size) end

---Opens a file or a block device: `"r"` to read it, `"rw"` to write it as well. `"create"` makes a
---missing file of `size` bytes, and makes a shorter one so long.
---@param path string
---@param mode "r"|"rw"|"create"
---@param size? integer
---@return nbdkit.file
function nbdkit.file(path, mode, size) end

---A dictionary that all interpreters share, with the operations of OpenResty's `ngx.shared.DICT`.
---Each is atomic. One that does nothing returns nil or false, and the reason. `seconds` is a key's
---time to live; 0, the default, means for ever.
---@class nbdkit.shared
nbdkit.shared = {}

---Returns the value, or nil if there is none.
---@param key string|number
---@return nbdkit.shared_value|nil
---@return "value is a list"? why
function nbdkit.shared:get(key) end

---Sets a value in any case; nil removes the key.
---@param key string|number
---@param value nbdkit.shared_value|nil
---@param seconds? number
---@return true
function nbdkit.shared:set(key, value, seconds) end

---Sets a value if the key does not exist.
---@param key string|number
---@param value nbdkit.shared_value
---@param seconds? number
---@return boolean
---@return "exists"? why
function nbdkit.shared:add(key, value, seconds) end

---Sets a value if the key exists.
---@param key string|number
---@param value nbdkit.shared_value
---@param seconds? number
---@return boolean
---@return "not found"? why
function nbdkit.shared:replace(key, value, seconds) end

---Removes a key, if it exists.
---@param key string|number
---@return true
function nbdkit.shared:delete(key) end

---Adds to a number, or to `initial` if the key does not exist. Returns the sum.
---@param key string|number
---@param by number
---@param initial? number
---@return number|nil
---@return "not found"|"not a number"|nil why
function nbdkit.shared:incr(key, by, initial) end

---Adds a value to the front of a list. Returns the list's length.
---@param key string|number
---@param value nbdkit.shared_value
---@return integer|nil
---@return "value not a list"? why
function nbdkit.shared:lpush(key, value) end

---Adds a value to the back of a list. Returns the list's length.
---@param key string|number
---@param value nbdkit.shared_value
---@return integer|nil
---@return "value not a list"? why
function nbdkit.shared:rpush(key, value) end

---Removes and returns the value at the front of a list; nil if there is none.
---@param key string|number
---@return nbdkit.shared_value|nil
---@return "value not a list"? why
function nbdkit.shared:lpop(key) end

---Removes and returns the value at the back of a list; nil if there is none.
---@param key string|number
---@return nbdkit.shared_value|nil
---@return "value not a list"? why
function nbdkit.shared:rpop(key) end

---Returns the length of a list, 0 if there is none.
---@param key string|number
---@return integer|nil
---@return "value not a list"? why
function nbdkit.shared:llen(key) end

---Returns the seconds until a key expires, 0 if it never does.
---@param key string|number
---@return number|nil
---@return "not found"? why
function nbdkit.shared:ttl(key) end

---Changes a key's time to live, counted from now.
---@param key string|number
---@param seconds? number
---@return true?
---@return "not found"? why
function nbdkit.shared:expire(key, seconds) end

---Returns at most `most` keys, in no particular order: by default 1024; all if `most` is 0.
---@param most? integer
---@return string[]
function nbdkit.shared:get_keys(most) end

---Removes all keys.
---@return true
function nbdkit.shared:flush_all() end

---Writes a line to nbdkit's debug log, which `nbdkit -v` shows.
---@param message string|number|nbdkit.thrown
function nbdkit.debug(message) end

---Writes bytes to the debug log, 16 per line. Needs nbdkit 1.46.
---@param data string|nbdkit.buffer
---@param prefix? string Before each line.
---@param start? integer The offset of the first byte.
function nbdkit.debug_hexdump(data, prefix, start) end

---Writes to the debug log where two pieces of data of the same length differ. Needs nbdkit 1.48.
---@param data1 string|nbdkit.buffer
---@param data2 string|nbdkit.buffer
---@param prefix? string Before each line.
---@param start? integer The offset of the first byte.
function nbdkit.debug_hexdiff(data1, data2, prefix, start) end

---Returns the current time in UTC, for messages. Needs nbdkit 1.48.
---@return string
function nbdkit.timestamp() end

---Fails the callback, with file and line before the message.
---@param errno integer|nbdkit.errno_name
---@param message string|number|table|userdata
---@return never
function nbdkit.error(errno, message) end

---Sets the errno for this callback in case it fails.
---@param errno integer|nbdkit.errno_name
function nbdkit.set_error(errno) end

---Returns the export that the client asked for. Available from `open` on.
---@return string
function nbdkit.export_name() end

---Whether the client has completed TLS. Available in `default_export`, and from `open` on.
---@return boolean
function nbdkit.is_tls() end

---The client's address.
---@return string
function nbdkit.peer_name() end

---The process ID of the client, over a Unix domain socket.
---@return integer
function nbdkit.peer_pid() end

---The user ID of the client, over a Unix domain socket.
---@return integer
function nbdkit.peer_uid() end

---The group ID of the client, over a Unix domain socket.
---@return integer
function nbdkit.peer_gid() end

---The client's security context. Needs nbdkit 1.36.
---@return string
function nbdkit.peer_security_context() end

---The distinguished name in the client's certificate, "" if there is none. Needs nbdkit 1.40.
---@return string
function nbdkit.peer_tls_dn() end

---The distinguished name of the certificate's issuer, "" if there is none. Needs nbdkit 1.40.
---@return string
function nbdkit.peer_tls_issuer_dn() end

---Disconnects the client: at once with `force`, otherwise once its requests are done. Needs nbdkit 1.34.
---@param force boolean
function nbdkit.disconnect(force) end

---Converts a size such as "64K" or "1M" to bytes.
---@param text string
---@return integer
function nbdkit.parse_size(text) end

---@param text string
---@return boolean
function nbdkit.parse_bool(text) end

---Parses a number: decimal, `0x` hexadecimal or `0` octal.
---@param what string
---@param text string
---@param c_type? "int"|"unsigned"|"int8_t"|"uint8_t"|"int16_t"|"uint16_t"|"int32_t"|"uint32_t"|"int64_t"|"uint64_t"
---@return integer
function nbdkit.parse_int(what, text, c_type) end

---Parses a probability: 0.1 for "0.1", "10%", "1:10" or "1/10".
---@param what string
---@param text string
---@return number
function nbdkit.parse_probability(what, text) end

---Parses a time such as "1.5" or "100ms".
---@param what string
---@param text string
---@return integer seconds
---@return integer nanoseconds
function nbdkit.parse_delay(what, text) end

---Makes a path absolute. Works up to `get_ready`.
---@param path string
---@return string
function nbdkit.absolute_path(path) end

---Resolves symbolic links; the file must exist. Works up to `get_ready`.
---@param path string
---@return string
function nbdkit.realpath(path) end

---@param value string
---@return string
function nbdkit.read_password(value) end

---Whether the script may use standard input and output.
---@return boolean
function nbdkit.stdio_safe() end

---Asks the server to end. Works from `after_fork` on.
function nbdkit.shutdown() end

---Returns the name of the server, or nil. Needs nbdkit 1.48.
---@return string?
function nbdkit.name() end

---Sleeps; fails if the connection ends meanwhile. Before `after_fork` it is an ordinary sleep.
---@param seconds number
---@param nanoseconds? integer
function nbdkit.nanosleep(seconds, nanoseconds) end

---The callbacks whose signatures are the same in both versions.
---@class nbdkit.callbacks
---@field API_VERSION? 1|2
---@field dump_plugin? fun() Prints lines for `nbdkit --dump-plugin`.
---@field magic_config_key? fun(): string The key for parameters without one.
---@field config? fun(key: string, value: string) One parameter.
---@field config_complete? fun() All parameters have been passed.
---@field thread_model? fun(): nbdkit.thread_model What nbdkit may do at the same time.
---@field get_ready? fun() The last step before nbdkit forks and changes its directory.
---@field after_fork? fun() The first step in the process that serves.
---@field cleanup? fun() The server ends.
---@field preconnect? fun(readonly: boolean) A client has connected.
---@field list_exports? fun(readonly: boolean, is_tls: boolean): (string|nbdkit.export)[] Lists the exports.
---@field default_export? fun(readonly: boolean, is_tls: boolean): string|nil The export that the empty name stands for.
---@field open fun(readonly: boolean): any A connection begins. Required. Returns its handle.
---@field close? fun(h: any) A connection has ended.
---@field export_description? fun(h: any): string|nil A description for people.
---@field get_size fun(h: any): integer The size of the disk in bytes. Required.
---@field block_size? fun(h: any): integer|integer[]|nil, integer?, integer? The request sizes that the disk wants.
---@field can_write? fun(h: any): boolean Whether the client may write.
---@field can_flush? fun(h: any): boolean Whether the client may flush.
---@field is_rotational? fun(h: any): boolean Whether the disk has seek times.
---@field can_trim? fun(h: any): boolean Whether the client may trim.
---@field can_zero? fun(h: any): boolean Whether nbdkit should call `zero`.
---@field can_fast_zero? fun(h: any): boolean Whether the client may send fast zeroes.
---@field can_extents? fun(h: any): boolean Whether nbdkit should call `extents`.
---@field can_fua? fun(h: any): nbdkit.level How forced unit access works.
---@field can_multi_conn? fun(h: any): boolean Whether all connections see what one has flushed.
---@field can_cache? fun(h: any): nbdkit.level How prefetches work.
---@field extents? fun(h: any, count: integer, offset: integer, flags: integer): nbdkit.extent[] Tells data, holes and zeroes apart.
---@field cache? fun(h: any, count: integer, offset: integer, flags: integer) Prefetches.

---A script's table, with API version 1.
---@class nbdkit.callbacks1: nbdkit.callbacks
---@field pread fun(h: any, count: integer, offset: integer): string Reads. Required.
---@field pwrite? fun(h: any, buf: string, offset: integer) Writes.
---@field flush? fun(h: any) Makes earlier writes durable.
---@field trim? fun(h: any, count: integer, offset: integer) Punches a hole.
---@field zero? fun(h: any, count: integer, offset: integer, may_trim: boolean) Writes zeroes.

---A script's table, with API version 2.
---@class nbdkit.callbacks2: nbdkit.callbacks
---@field pread fun(h: any, buf: nbdkit.buffer, offset: integer, flags: integer) Reads. Required.
---@field pwrite? fun(h: any, buf: nbdkit.buffer, offset: integer, flags: integer) Writes.
---@field flush? fun(h: any, flags: integer) Makes earlier writes durable.
---@field trim? fun(h: any, count: integer, offset: integer, flags: integer) Punches a hole.
---@field zero? fun(h: any, count: integer, offset: integer, flags: integer) Writes zeroes.

-- The callbacks as globals.

---Prints lines for `nbdkit --dump-plugin`.
function dump_plugin() end

---The key for parameters without one.
---@return string
function magic_config_key() end

---One parameter.
---@param key string
---@param value string
function config(key, value) end

---All parameters have been passed.
function config_complete() end

---What nbdkit may do at the same time.
---@return nbdkit.thread_model
function thread_model() end

---The last step before nbdkit forks and changes its directory.
function get_ready() end

---The first step in the process that serves.
function after_fork() end

---The server ends.
function cleanup() end

---A client has connected.
---@param readonly boolean
function preconnect(readonly) end

---Lists the exports.
---@param readonly boolean
---@param is_tls boolean
---@return (string|nbdkit.export)[]
function list_exports(readonly, is_tls) end

---The export that the empty name stands for.
---@param readonly boolean
---@param is_tls boolean
---@return string|nil
function default_export(readonly, is_tls) end

---A connection begins. Required. Returns its handle.
---@param readonly boolean
---@return any
function open(readonly) end

---A connection has ended.
---@param h any
function close(h) end

---A description for people.
---@param h any
---@return string|nil
function export_description(h) end

---The size of the disk in bytes. Required.
---@param h any
---@return integer
function get_size(h) end

---The request sizes that the disk wants: three values, or a list of them.
---@param h any
---@return integer|integer[]|nil minimum
---@return integer? preferred
---@return integer? maximum
function block_size(h) end

---Whether the client may write.
---@param h any
---@return boolean
function can_write(h) end

---Whether the client may flush.
---@param h any
---@return boolean
function can_flush(h) end

---Whether the disk has seek times.
---@param h any
---@return boolean
function is_rotational(h) end

---Whether the client may trim.
---@param h any
---@return boolean
function can_trim(h) end

---Whether nbdkit should call `zero`.
---@param h any
---@return boolean
function can_zero(h) end

---Whether the client may send fast zeroes.
---@param h any
---@return boolean
function can_fast_zero(h) end

---Whether nbdkit should call `extents`.
---@param h any
---@return boolean
function can_extents(h) end

---How forced unit access works.
---@param h any
---@return nbdkit.level
function can_fua(h) end

---Whether all connections see what one has flushed.
---@param h any
---@return boolean
function can_multi_conn(h) end

---How prefetches work.
---@param h any
---@return nbdkit.level
function can_cache(h) end

---Tells data, holes and zeroes apart.
---@param h any
---@param count integer
---@param offset integer
---@param flags integer
---@return nbdkit.extent[]
function extents(h, count, offset, flags) end

---Prefetches.
---@param h any
---@param count integer
---@param offset integer
---@param flags integer
function cache(h, count, offset, flags) end

---Reads. Required. With API version 2, see the other signature.
---@param h any
---@param count integer
---@param offset integer
---@return string
---@overload fun(h: any, buf: nbdkit.buffer, offset: integer, flags: integer)
function pread(h, count, offset) end

---Writes. With API version 2, see the other signature.
---@param h any
---@param buf string
---@param offset integer
---@overload fun(h: any, buf: nbdkit.buffer, offset: integer, flags: integer)
function pwrite(h, buf, offset) end

---Makes earlier writes durable. With API version 2, see the other signature.
---@param h any
---@overload fun(h: any, flags: integer)
function flush(h) end

---Punches a hole. With API version 2, see the other signature.
---@param h any
---@param count integer
---@param offset integer
---@overload fun(h: any, count: integer, offset: integer, flags: integer)
function trim(h, count, offset) end

---Writes zeroes. With API version 2, see the other signature.
---@param h any
---@param count integer
---@param offset integer
---@param may_trim boolean
---@overload fun(h: any, count: integer, offset: integer, flags: integer)
function zero(h, count, offset, may_trim) end
