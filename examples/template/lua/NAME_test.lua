-- NAME_test.lua: what NAME.lua has to do. Each function gets a client of a new disk.
--
--   nbdkit-script-test NAME.lua 16M

---@param client nbdkit.client
function test_a_new_disk_is_zeroes(client)
  client:expect_equal(client:get_size(), 16 * 1024 * 1024)
  client:expect_equal(client:pread(512, 0), string.rep("\0", 512))
  client:cache(512, 0)
end

---@param client nbdkit.client
function test_what_is_written_is_read(client)
  client:pwrite("written", 4000, nbdkit.FLAG_FUA)
  client:expect_equal(client:pread(9, 3999), "\0written\0")
  client:flush()
end

---@param client nbdkit.client
function test_a_hole_is_zeroes(client)
  client:pwrite(string.rep("x", 65536), 0)
  client:zero(32768, 0)
  client:trim(32768, 32768)
  client:expect_equal(client:pread(65536, 0), string.rep("\0", 65536))
  client:expect_equal(#client:extents(65536, 0), 1)
end

---@param client nbdkit.client
function test_the_export_has_a_description(client)
  client:expect_equal(#client:list_exports(), 1)
  client:expect_equal(client:export_description(), "a disk in memory")
end

---@param client nbdkit.client
function test_nothing_is_past_the_end(client)
  client:expect_error("EINVAL", "pread", 1, client:get_size())
end
