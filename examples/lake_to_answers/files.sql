SELECT path, state, rows_landed, rows_unified FROM perennial.files ORDER BY path
