import time

from rq import Retry
from shop import charge, default

jobs = [default.enqueue(charge, order, 10 * order, retry=Retry(max=3, interval=1)) for order in (1, 2, 3)]
for job in jobs:
    while job.get_status().value != "finished":
        time.sleep(0.1)
    print(job.return_value())
