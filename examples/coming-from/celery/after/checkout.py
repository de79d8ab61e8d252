from chancy import Chancy
from shop import charge

with Chancy() as chancy:
    references = chancy.sync_push_many(charge.job.with_kwargs(order=order, euros=10 * order) for order in (1, 2, 3))
    for done in chancy.sync_wait_for_jobs(references, timeout=300):
        print(done.result)
