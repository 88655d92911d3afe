/* The least that a read by a script in Lua can cost, and nothing else.
 *
 * It is here to be measured, not to be used: where anything fails, it does not
 * say why, or ends the process.  Each promise that nbdkit-script-lua makes and
 * nbdkit's own plugin does not is a step on top of those before it, so that it
 * is seen what it costs by itself:
 *
 *   -DSTEP=0  the calls of Lua that nbdkit's own plugin makes
 *   -DSTEP=1  no error is raised outside of lua_pcall, which would end the
 *             process: no metatable is asked for the function, and a number is
 *             not made a string
 *   -DSTEP=2  a message handler, for the traceback, and all results, for nil,
 *             message, errno
 *   -DSTEP=3  a lock that a thread can wait for
 */

#ifndef STEP
#error "-DSTEP=0, 1, 2 or 3 is missing"
#endif

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS

/* What stays on the stack: a message handler, the table of globals, and the
 * name of the function.
 */
enum { HANDLER = 1, GLOBALS, PREAD, RESTING = PREAD, RESULT };

static lua_State *L;
#if STEP >= 3
static int lock;
#endif

static int
handler (lua_State *state)
{
  luaL_traceback (state, state, NULL, 1);
  return 1;
}

static void
floor_load (void)
{
  L = luaL_newstate ();
  if (L == NULL)
    abort ();
  luaL_openlibs (L);
  lua_pushcfunction (L, handler);
  lua_pushglobaltable (L);
  lua_pushliteral (L, "pread");
}

static void
floor_unload (void)
{
  lua_close (L);
}

static int
floor_config (const char *key, const char *value)
{
  if (strcmp (key, "script") != 0 || luaL_dofile (L, value) != LUA_OK)
    return -1;
  lua_settop (L, RESTING);
  return 0;
}

static void *
floor_open (int readonly)
{
  int *reference = malloc (sizeof *reference);

  if (reference == NULL)
    return NULL;
  lua_getglobal (L, "open");
  lua_pushboolean (L, readonly);
  lua_call (L, 1, 1);
  *reference = luaL_ref (L, LUA_REGISTRYINDEX);
  return reference;
}

static void
floor_close (void *handle)
{
  luaL_unref (L, LUA_REGISTRYINDEX, *(int *) handle);
  free (handle);
}

static int64_t
floor_get_size (void *handle)
{
  int64_t size;

  lua_getglobal (L, "get_size");
  lua_rawgeti (L, LUA_REGISTRYINDEX, *(int *) handle);
  lua_call (L, 1, 1);
  size = lua_tointeger (L, -1);
  lua_pop (L, 1);
  return size;
}

static int
read_it (void *handle, void *buffer, uint32_t count, uint64_t offset)
{
  const char *bytes;
  size_t length;
  int r = -1;

#if STEP >= 1
  lua_pushvalue (L, PREAD);
  if (lua_rawget (L, GLOBALS) != LUA_TFUNCTION)
    abort ();
#else
  lua_getglobal (L, "pread");
#endif
  lua_rawgeti (L, LUA_REGISTRYINDEX, *(int *) handle);
  lua_pushinteger (L, count);
  lua_pushinteger (L, offset);
#if STEP >= 2
  if (lua_pcall (L, 3, LUA_MULTRET, HANDLER) != LUA_OK)
    goto out;
#else
  if (lua_pcall (L, 3, 1, 0) != LUA_OK)
    goto out;
#endif
#if STEP >= 1
  if (lua_type (L, RESULT) != LUA_TSTRING)
    goto out;
#endif
  bytes = lua_tolstring (L, RESULT, &length);
  if (bytes == NULL || length < count)
    goto out;
  memcpy (buffer, bytes, count);
  r = 0;

 out:
  lua_settop (L, RESTING);
  return r;
}

static int
floor_pread (void *handle, void *buffer, uint32_t count, uint64_t offset,
             uint32_t flags)
{
#if STEP >= 3
  int unlocked = 0, r;

  /* Nobody waits here.  The two instructions are those of a lock that somebody
   * could wait for.
   */
  if (!__atomic_compare_exchange_n (&lock, &unlocked, 1, 0, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
    abort ();
  r = read_it (handle, buffer, count, offset);
  if (__atomic_exchange_n (&lock, 0, __ATOMIC_RELEASE) == 2)
    abort ();
  return r;
#else
  return read_it (handle, buffer, count, offset);
#endif
}

static struct nbdkit_plugin plugin = {
  .name     = "floor",
  .load     = floor_load,
  .unload   = floor_unload,
  .config   = floor_config,
  .open     = floor_open,
  .close    = floor_close,
  .get_size = floor_get_size,
  .pread    = floor_pread,
};

NBDKIT_REGISTER_PLUGIN (plugin)
