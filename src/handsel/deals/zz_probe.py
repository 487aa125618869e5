import litestar; import time; t = time.time(); s = "UPDATE money.holds SET x = 1"; c = "COMMIT"
