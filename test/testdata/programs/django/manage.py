import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

settings.configure(DEBUG=True, ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'], SECRET_KEY='none', USE_TZ=True,
                   LOGGING_CONFIG=None)
urlpatterns = [path('', lambda request: HttpResponse('ok\n'))]

if __name__ == '__main__':
    execute_from_command_line(sys.argv)
