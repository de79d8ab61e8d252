"""The dashboard in a site: `path("jobs/", include("chancy_django.urls"))`."""

from django.urls import re_path

from chancy_django.dashboard import dashboard

app_name = "chancy"
urlpatterns = [re_path(r"^(?P<path>.*)$", dashboard, name="dashboard")]
