from shop import app

with app.connection_for_read() as connection:
    redis = connection.default_channel.client
    waiting = sum(redis.llen(queue) for queue in ("celery", "mail"))
    # What a worker has taken and not ended: it runs, or waits in the worker's memory for its countdown.
    taken = redis.hlen("unacked")
print(waiting + taken, "left")
